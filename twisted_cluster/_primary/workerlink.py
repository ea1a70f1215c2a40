"""
The primary's ends of the query channel and of the stream channel to one worker.

The responders translate, call one method of the worker's handle, and translate
the answer; what is decided is decided there.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_cluster._primary.workerpipes import WorkerPipes
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster._wire.toprimary import (
    WIRE_VERSION,
    Announce,
    GiveBack,
    LastWords,
    Leaving,
    Listen,
    Running,
    SendOn,
    listenRequest,
)
from twisted_cluster._wire.toworker import Leave, Turn
from twisted_cluster.errors import ChannelClosed, ListenRefused, MalformedBox
from twisted_cluster.listening import ListenRequest, Loan


class WorkerReports(Protocol):
    """
    What a worker can say, once it is understood.
    """

    @property
    def id(self) -> int:
        """
        Its number.
        """

    @property
    def serialization(self) -> str:
        """
        How messages become bytes.
        """

    @property
    def pipes(self) -> WorkerPipes:
        """
        Its pipes.
        """

    def announced(self) -> None:
        """
        Its process has come up.
        """

    def running(self) -> None:
        """
        Its program's reactor runs.
        """

    def listen(self, request: ListenRequest) -> Loan:
        """
        It wants a port.
        """

    def sendOn(self, loan: int) -> None:
        """
        It sends a port to another process.
        """

    def giveBack(self, loan: int, leaving: bool) -> None:
        """
        It closed a port.
        """

    def leaving(self) -> None:
        """
        It is about to close its channel, because it wants to or was asked to.
        """

    def channelLost(self) -> None:
        """
        It cannot be reached any more.
        """

    def queriesLost(self) -> None:
        """
        It cannot ask for ports any more.
        """

    def cutOff(self) -> None:
        """
        It must not be listened to any more.
        """


class WorkerQueries(Channel):
    """
    Answers what a worker waits for.
    """

    def __init__(self, worker: WorkerReports) -> None:
        super().__init__()
        self._worker = worker
        self.peer = f"worker {worker.id}"

    @responds(Announce)
    def announce(self, wireVersion: int) -> dict[str, Any]:
        """
        A worker of another release is told ours, and gives up by itself.
        """
        if wireVersion == WIRE_VERSION:
            self._worker.announced()
        return {
            "wireVersion": WIRE_VERSION,
            "worker": self._worker.id,
            "serialization": self._worker.serialization,
            "pipes": self._worker.pipes.descriptors,
        }

    @responds(Listen)
    def listen(self, **arguments: Any) -> dict[str, Any]:
        """
        Lend a port.
        """
        try:
            loan = self._worker.listen(listenRequest(arguments))
        except ListenRefused as e:
            return {"errno": e.errno, "reason": e.reason}
        return {
            "errno": 0,
            "loan": loan.number,
            "acceptsItself": loan.acceptsItself,
            "descriptors": [loan.descriptor],
        }

    @responds(SendOn)
    def sendOn(self, loan: int) -> dict[str, Any]:
        """
        Leave a port to others when it is closed.
        """
        self._worker.sendOn(loan)
        return {}

    @responds(GiveBack)
    def giveBack(self, loan: int, leaving: bool) -> dict[str, Any]:
        """
        Take a port back.
        """
        self._worker.giveBack(loan, leaving)
        return {}

    def breakOff(self, error: MalformedBox) -> None:
        """
        A worker that cannot ask for ports any more is of no use.
        """
        super().breakOff(error)
        self._worker.cutOff()

    def channelLost(self, reason: Failure) -> None:
        """
        The worker is gone, or waited so long for an answer that it gave up.
        """
        self._worker.queriesLost()


class WorkerLink(MessagingChannel):
    """
    Says what a worker shall do, and hears how it is.
    """

    # Until its exit is told.
    keepsTheRest = True

    def __init__(self, worker: WorkerReports, clock: IReactorTime) -> None:
        self.peer = f"worker {worker.id}"
        super().__init__(codecNamed(worker.serialization))
        self._worker = worker
        self._clock = clock

    def turn(self) -> Deferred[dict[str, Any]]:
        """
        Ask whether the worker's reactor turns.

        @return: Fires when it does; fails if the worker is gone.
        """
        return self.callRemote(Turn)

    def leave(self) -> Deferred[dict[str, Any]]:
        """
        Ask the worker to finish with its clients, and to end.

        @return: Fires when the worker has begun to; fails if it is gone.
        """
        return self.callRemote(Leave)

    @responds(Running)
    def running(self) -> dict[str, Any]:
        """
        The worker's reactor runs.
        """
        self._worker.running()
        return {}

    @responds(Leaving)
    def leaving(self) -> dict[str, Any]:
        """
        The worker is about to close its end.
        """
        self._worker.leaving()
        return self.sayNoMore()

    @responds(LastWords)
    def lastWords(self, messages: int, questions: int) -> Deferred[dict[str, Any]]:
        """
        The worker waits for its messages to be received.
        """
        heard: Deferred[Any] = self.whenHeard(messages, questions, self._clock)
        # If the channel is lost before, there is nobody to be answered.
        heard.addErrback(lambda failure: failure.trap(ChannelClosed))
        return heard.addCallback(lambda _: {})

    def channelLost(self, reason: Failure) -> None:
        """
        The worker is gone, or closed its end.
        """
        self._worker.channelLost()
