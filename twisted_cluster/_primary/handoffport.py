"""
A port whose connections the primary accepts and hands to the workers in turn.

What is accepted is in one place at any time: in the queue here, or on its way
to one worker.  It leaves that place when a worker has said that it took it.
From a worker that refuses it, or is lost, it comes back to the front of the
queue, so that nobody who came later is served before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._primary.borrower import Borrower
from twisted_cluster._primary.connectionqueue import ConnectionQueue
from twisted_cluster._primary.guardedpolicy import guarded
from twisted_cluster._primary.taker import Taker
from twisted_cluster.errors import ChannelClosed, TakenBack
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
)
from twisted_cluster.scheduling import ICandidate, ISchedulingPolicy
from twisted_cluster.settings import HandoffSettings

TOGETHER = 8
"""
How many connections go in one message at most.

A message is read as a whole, so a worker that hangs over the first connection of one
holds up the others in it, while what it has not read can be taken back.  With one in
each message, however, a connection costs three times the processor time, most of it
for turns of the worker's reactor; with eight a sixth more than with 253, the most that
the kernel takes.
"""

LOSS_LIMIT = 5
"""
How many workers may be lost with the same connection before it is closed.  It may be
what they are lost for, and must not be the end of one after the other for ever; but
if they are lost for other reasons, another can serve it.
"""

COOL_DOWN = 0.1
"""
Seconds without new connections for a worker that had to refuse some although
its port welcomes them: it has no descriptor left, and no event tells when it
has one again.
"""


@implementer(IConnectionReceiver)
class HandoffPort:
    """
    Chooses who gets a connection, and keeps it until that worker has it.

    @ivar _opened: The kernel's side; set right after this object was made.
    @ivar _takers: By loan, the workers that borrowed the port.
    @ivar _queue: The connections that no worker could take yet.
    @ivar _isFull: Whether as many connections wait as may, and this was logged.
    @ivar _isLeft: Whether somebody else listens on the socket, too.
    """

    _log = Logger()

    acceptsItself = False

    def __init__(
        self, policy: ISchedulingPolicy, settings: HandoffSettings, clock: IReactorTime
    ) -> None:
        self._policy = guarded(policy)
        self._settings = settings
        self._clock = clock
        self._opened: IOpenPort | None = None
        self._takers: dict[int, Taker] = {}
        self._queue = ConnectionQueue()
        self._isFull = False
        self._isLeft = False

    def opened(self, port: IOpenPort) -> None:
        """
        The kernel listens: begin to accept.  Until a worker welcomes them,
        connections wait in the queue.
        """
        self._opened = port
        port.startAccepting()

    # -- the workers' side

    def lend(self, worker: Borrower, loan: int) -> None:
        """
        A worker borrows this port; it gets connections when it welcomes them.
        """
        self._takers[loan] = Taker(worker.id, worker, loan)

    def returned(self, loan: int) -> None:
        """
        A worker closed its port, or is gone.  What is on its way to it comes
        back by itself: refused by the worker, or by the end of the channel.
        """
        taker = self._takers.pop(loan)
        taker.welcoming = False
        self._update(taker)
        self._throttle()

    def startTaking(self, loan: int) -> None:
        """
        A worker welcomes connections.
        """
        self._takers[loan].welcoming = True
        self.look(loan)

    def stopTaking(self, loan: int) -> None:
        """
        A worker wants no connections for now.
        """
        self._takers[loan].welcoming = False
        self.look(loan)

    def look(self, loan: int) -> None:
        """
        Something changed that decides whether a worker may take connections.
        """
        self._update(self._takers[loan])
        self._dispatch()

    def leaveToOthers(self) -> None:
        """
        Somebody else listens on the socket, too: what comes while no worker takes
        connections is theirs.
        """
        assert self._opened is not None
        self._isLeft = True
        self._opened.leaveToOthers()
        self._throttle()

    def close(self) -> None:
        """
        Close the port, and every connection that waits.
        """
        assert self._opened is not None
        opened, self._opened = self._opened, None
        opened.close()
        self._queue.closeAll()

    # -- the clients' side

    def connectionsAccepted(self, connections: list[AcceptedConnection]) -> None:
        """
        Hand new connections over, behind those that wait already.
        """
        self._queue.arrived(connections)
        self._dispatch(fresh=len(connections))

    @property
    def queued(self) -> int:
        """
        How many connections wait for a worker.
        """
        return len(self._queue)

    @property
    def underway(self) -> int:
        """
        How many connections are on their way to workers.
        """
        return sum(taker.underway for taker in self._takers.values())

    # -- choosing

    def _update(self, taker: Taker) -> None:
        """
        Tell the policy whether this worker takes part.
        """
        belongs = taker.belongs
        if belongs and not taker.inRing:
            self._policy.workerAdded(taker)
        elif taker.inRing and not belongs:
            self._policy.workerRemoved(taker)
        taker.inRing = belongs

    def _isFree(self, candidate: ICandidate) -> bool:
        """
        Whether the first connection of the queue may be on its way to this worker.
        """
        taker = cast("Taker", candidate)
        return taker.hasRoom(self._queue.first.losses > 0, self._settings.window)

    def _dispatch(self, fresh: int = 0) -> None:
        """
        Hand over as much of the queue as the workers have room for.

        @param fresh: How many at its end have not waited in it.
        """
        groups: dict[Taker, list[AcceptedConnection]] = {}
        while self._queue:
            if len(self._queue) > fresh and self._dropGivenUp():
                continue
            # The policy knows only what we gave it.
            taker: Any = self._policy.choose(self._queue.first, self._isFree)
            if taker is None:
                break
            connection = self._queue.takeFirst()
            taker.chosen(isSuspect=connection.losses > 0)
            groups.setdefault(taker, []).append(connection)
        for taker, connections in groups.items():
            for start in range(0, len(connections), TOGETHER):
                self._handOff(taker, connections[start : start + TOGETHER])
        self._throttle()

    def _dropGivenUp(self) -> bool:
        """
        Close the first connection of the queue if its client did not wait.
        """
        assert self._opened is not None
        if not self._opened.isGivenUp(self._queue.first):
            return False
        self._queue.closeFirst()
        return True

    def _throttle(self) -> None:
        """
        Accept while there is room to keep what comes.
        """
        if self._opened is None:
            return
        isFull = len(self._queue) >= self._settings.queueLimit
        isTheirs = self._isLeft and not any(
            taker.inRing for taker in self._takers.values()
        )
        if isFull or isTheirs:
            self._opened.stopAccepting()
        else:
            self._opened.startAccepting()
        if isFull != self._isFull:
            self._isFull = isFull
            self._log.warn(
                "{count} connections to {address} wait in the primary, and no more are "
                "accepted until workers have taken some"
                if isFull
                else "connections to {address} are accepted again",
                count=len(self._queue),
                address=self._opened.boundAddress,
            )

    # -- handing off

    def _handOff(self, taker: Taker, connections: list[AcceptedConnection]) -> None:
        """
        Send connections to one worker, and wait for what it says.
        """
        insured = self._settings.insured
        if insured:
            taker.worker.insurance.cover(connections, self._comeBack)
        taker.worker.handOff(taker.loan, connections, insured).addCallbacks(
            self._answered,
            self._unanswered,
            callbackArgs=(taker, connections),
            errbackArgs=(taker, connections),
        ).addErrback(
            lambda failure: self._log.failure("a hand-off went wrong", failure)
        )

    def _answered(
        self,
        refused: Sequence[int],
        taker: Taker,
        connections: list[AcceptedConnection],
    ) -> None:
        """
        Close our descriptors of what the worker took, and keep what it refused.
        """
        taker.settled(len(connections), tookAll=not refused)
        if not refused:
            for connection in connections:
                taker.worker.insurance.taken(connection)
        else:
            back = set(refused)
            for position, connection in enumerate(connections):
                if position not in back:
                    taker.worker.insurance.taken(connection)
            if taker.welcoming:
                self._coolDown(taker)
            self._putBack(taker, [connections[position] for position in sorted(back)])
        if self._queue:
            self._dispatch()

    def _unanswered(
        self, failure: Failure, taker: Taker, connections: list[AcceptedConnection]
    ) -> None:
        """
        A worker never saw these connections; or it is gone, and did not say that it
        took them; or it failed.
        """
        taker.settled(len(connections))
        if failure.check(TakenBack):
            self._putBack(taker, connections)
        elif failure.check(ChannelClosed):
            taker.welcoming = False
            self._update(taker)
            for connection in connections:
                # One of them may be what the worker was lost for.
                connection.losses += 1
            self._putBack(taker, connections)
        else:
            self._log.failure(
                "worker {id} failed to take {count} connections",
                failure,
                id=taker.id,
                count=len(connections),
            )
            # It may serve some of them, so nobody else must.
            for connection in connections:
                taker.worker.insurance.uncover(connection)
                os.close(connection.descriptor)
        # Not at once: a lost channel fails one question after the other, and all has
        # to be back before anything goes out again.
        self._clock.callLater(0, self._dispatch)

    def _comeBack(self, connections: list[AcceptedConnection]) -> None:
        """
        A worker is lost that took these connections, and did not touch them.
        """
        self._keep(connections)
        self._clock.callLater(0, self._dispatch)

    def _putBack(self, taker: Taker, connections: list[AcceptedConnection]) -> None:
        """
        A worker does not take these connections, except those that it has touched
        all the same.
        """
        for connection in connections:
            taker.worker.insurance.uncover(connection)
            if connection.isTouched:
                os.close(connection.descriptor)
        self._keep([each for each in connections if not each.isTouched])

    def _keep(self, connections: list[AcceptedConnection]) -> None:
        """
        Put connections in their place in the queue, which is before all that came
        later; or, if nobody listens any more, close them.
        """
        back = []
        for connection in connections:
            if self._opened is None:
                os.close(connection.descriptor)
            elif connection.losses < LOSS_LIMIT:
                back.append(connection)
            else:
                self._log.error(
                    "closing a connection that {losses} workers, one after the other, "
                    "were lost with",
                    losses=connection.losses,
                )
                os.close(connection.descriptor)
        self._queue.cameBack(back)

    def _coolDown(self, taker: Taker) -> None:
        """
        Leave a worker alone that had no room for a connection.
        """
        if not taker.cooling:
            taker.coolDown()
            self._update(taker)
            self._clock.callLater(COOL_DOWN, self._cooledDown, taker)

    def _cooledDown(self, taker: Taker) -> None:
        """
        Try the worker again.
        """
        taker.cooledDown()
        if taker.loan in self._takers:
            self.look(taker.loan)
