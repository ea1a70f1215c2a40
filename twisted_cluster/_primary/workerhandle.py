"""
A worker as the primary sees it; the worker's own side is in C{_worker}.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from signal import Signals
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_cluster._primary.handofflink import HandoffLink
from twisted_cluster._primary.insurance import Insurance
from twisted_cluster._primary.porttable import PortTable
from twisted_cluster._primary.pulse import Pulse
from twisted_cluster._primary.workerlink import WorkerLink, WorkerQueries
from twisted_cluster._primary.workeroutput import Output
from twisted_cluster._primary.workerpipes import WorkerPipes
from twisted_cluster._supervision.lifecycle import Happening, Lifecycle
from twisted_cluster._supervision.reconcile import WorkerFacts
from twisted_cluster.errors import (
    ChannelClosed,
    ImpossibleTransition,
    ListenRefused,
)
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.interfaces import AcceptedConnection, WorkerChannels
from twisted_cluster.listening import ListenRequest, Loan
from twisted_cluster.workerapi import signalNumber


class WorkerObserver(Protocol):
    """
    Who is told what happens to workers.
    """

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        A worker's process was started.
        """

    def workerFailed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        A worker's process could not be started; L{workerExited} follows.
        """

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        A worker's process has come up; its program is not loaded yet.
        """

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        The reactor of a worker's program runs.
        """

    def workerListening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        A worker listens.
        """

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        A worker cannot be reached any more; its process may still be there.
        """

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        A worker's process has ended.  Always after L{workerDisconnected}.
        """


class WorkerHandle(ProcessProtocol):
    """
    One worker process, from its start to its end.

    @ivar id: Its number; never used again.
    @ivar slot: Which of the cluster's places it fills.
    @ivar serialization: How messages to and from it become bytes.
    @ivar pipes: Its pipes, and where goes what it writes into them.
    @ivar lifecycle: What state it is in.
    @ivar runningAt: When its program's reactor began to run; C{None} before.
    @ivar retireOrderedAt: When it was asked to leave, or began to by itself; C{None}
        if neither.
    @ivar wasAsked: Whether we asked it to leave.
    @ivar disconnectedAt: When its channel was lost; C{None} before.
    @ivar killOrdered: Whether it was killed by us.
    @ivar voluntary: Whether it leaves because somebody wants it to: it, or us.
    @ivar link: Our end of the stream channel.
    @ivar queries: Our end of the query channel.
    @ivar handoffs: Our end of the hand-off channel.
    @ivar insurance: Its insured connections.
    @ivar pulse: Whether its reactor turns.
    """

    _log = Logger()

    def __init__(
        self,
        id: int,
        slot: int,
        serialization: str,
        output: Mapping[int, Output],
        ports: PortTable,
        observer: WorkerObserver,
        clock: IReactorTime,
        blockedAfter: float,
    ) -> None:
        """
        @param blockedAfter: As in L{HandoffSettings
            <twisted_cluster.settings.HandoffSettings>}.
        """
        self.id = id
        self.slot = slot
        self.serialization = serialization
        self.lifecycle = Lifecycle()
        self.link = WorkerLink(self, clock)
        self.queries = WorkerQueries(self)
        self.handoffs = HandoffLink(self)
        self.insurance = Insurance()
        self.pulse = Pulse(self.link.turn, self._pulseChanged, clock, blockedAfter)
        self.runningAt: float | None = None
        self.retireOrderedAt: float | None = None
        self.disconnectedAt: float | None = None
        self.killOrdered = False
        self.wasAsked = False
        self.voluntary = False
        self._ports = ports
        self._observer = observer
        self._seconds = clock.seconds
        self.pipes = WorkerPipes(output)

    def __repr__(self) -> str:
        return f"<worker {self.id}: {self.lifecycle.state.value}, process {self.pid}>"

    @property
    def pid(self) -> int | None:
        """
        Its process id; C{None} if it could not be started, or has ended.
        """
        return getattr(self.transport, "pid", None)

    @property
    def mayTakeConnections(self) -> bool:
        """
        Whether its reactor runs, and turns, and it has not been asked to leave.
        """
        return self.lifecycle.mayTakeConnections and not self.pulse.isBlocked

    @property
    def channels(self) -> WorkerChannels:
        """
        Our ends of the channels, to be connected to their transports.
        """
        return WorkerChannels(
            stream=self.link, query=self.queries, handoff=self.handoffs
        )

    def facts(self) -> WorkerFacts:
        """
        What supervision has to know.
        """
        return WorkerFacts(
            id=self.id,
            slot=self.slot,
            state=self.lifecycle.state,
            retireOrderedAt=self.retireOrderedAt,
            disconnectedAt=self.disconnectedAt,
            killOrdered=self.killOrdered,
        )

    # -- what it is asked

    def handOff(
        self, loan: int, connections: Sequence[AcceptedConnection], insured: bool
    ) -> Deferred[Sequence[int]]:
        """
        Send it connections.
        """
        return self.handoffs.sendConnections(loan, connections, insured)

    def retire(self) -> None:
        """
        Ask it to end: no new connections, and SIGTERM, on which a Twisted
        program stops in its own orderly way.
        """
        self.wasAsked = True
        self._retiring()
        self.signal("TERM")

    def leave(self) -> None:
        """
        Ask it to leave: no new connections, and when those that it has are
        over, it ends.
        """
        self.wasAsked = True
        self._retiring()
        self.voluntary = True
        # If it is gone before it answers, that is told by its exit.
        left: Deferred[Any] = self.link.leave()
        left.addErrback(lambda failure: failure.trap(ChannelClosed))
        left.addErrback(
            lambda failure: self._log.failure(
                "worker {id} failed when it was asked to leave", failure, id=self.id
            )
        )

    def disconnect(self) -> None:
        """
        Close its channel, without asking it.
        """
        self.link.hangUp()

    def cutOff(self) -> None:
        """
        Close its channel, whatever waits on it.
        """
        for channel in (self.link, self.queries):
            if channel.connected:
                channel.transport.abortConnection()

    def _retiring(self) -> None:
        """
        It is not to have new connections.
        """
        self.lifecycle.happened(Happening.RETIRE_ORDERED)
        if self.retireOrderedAt is None:
            self.retireOrderedAt = self._seconds()
        self._ports.workerChanged(self)

    def kill(self) -> None:
        """
        End it, whatever it does.
        """
        self.killOrdered = True
        self.signal("KILL")

    def signal(self, signal: str | int) -> None:
        """
        Send its process a signal; nothing happens if it has ended.

        @param signal: Its name, with or without C{SIG}, or its number.

        @raise ConfigurationError: if there is no such signal.
        """
        number = signalNumber(signal)
        if self.transport is not None:
            try:
                self.transport.signalProcess(number)
            except ProcessExitedAlready:
                return

    # -- what it says

    def announced(self) -> None:
        """
        Its process has come up.
        """
        if not self.lifecycle.isConnected:
            # It said so just before its end, which was seen first.
            return
        self.lifecycle.happened(Happening.ANNOUNCED)
        self._observer.workerOnline(self)

    def running(self) -> None:
        """
        Its program's reactor runs.

        @raise ImpossibleTransition: if it ran already.
        """
        if self.runningAt is not None:
            raise ImpossibleTransition("a worker's reactor begins to run once")
        self.lifecycle.happened(Happening.RAN)
        self.runningAt = self._seconds()
        self.pulse.start()
        self._ports.workerChanged(self)
        self._observer.workerRunning(self)

    def listen(self, request: ListenRequest) -> Loan:
        """
        It wants a port.
        """
        if not self.lifecycle.isConnected:
            # As above; and nobody would give the port back.
            raise ListenRefused(errno.ENOTCONN)
        loan = self._ports.lend(self, request)
        self._observer.workerListening(self, self._ports.addressOf(loan.number))
        return loan

    def sendOn(self, loan: int) -> None:
        """
        It sends a port to another process.
        """
        self._ports.sendOn(self, loan)

    def giveBack(self, loan: int, leaving: bool) -> None:
        """
        It closed a port.
        """
        self._ports.giveBack(self, loan, leaving)

    def startTaking(self, loan: int) -> None:
        """
        It welcomes connections.
        """
        self._ports.startTaking(self, loan)

    def stopTaking(self, loan: int) -> None:
        """
        It wants no connections for now.
        """
        self._ports.stopTaking(self, loan)

    def touched(self, inodes: Sequence[int]) -> None:
        """
        It is about to read or write the first byte of insured connections.
        """
        self.insurance.touched(inodes)

    def leaving(self) -> None:
        """
        It is about to close its channel, because it wants to or was asked to.
        """
        self.voluntary = True
        self._retiring()

    def channelLost(self) -> None:
        """
        It cannot be reached any more.
        """
        self._disconnected()

    def queriesLost(self) -> None:
        """
        It cannot ask for ports any more, and not give them back either: if it is not
        about to end, it has to.
        """
        if self.link.connected:
            # If it is, this is what it said last.
            self.link.transport.readToTheEnd()
            self.cutOff()

    def handoffsLost(self) -> None:
        """
        It is gone, or broke the rules of the hand-off channel: then it cannot serve
        any more.  What it did not take is back.
        """
        if not self.lifecycle.isGone:
            self.insurance.void()
        if self.lifecycle.isConnected:
            self._disconnected()
            self.cutOff()

    # -- what its process does

    def connectionMade(self) -> None:
        """
        Its process is started.
        """
        self.pipes.process = self.transport

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It wrote into a pipe.
        """
        self.pipes.received(childFD, data)

    def childConnectionLost(self, childFD: int) -> None:
        """
        It, and everything it started, closed a pipe.
        """
        self.pipes.lost(childFD)

    def processExited(self, reason: Failure) -> None:
        """
        Its process has ended.  Others may still hold its standard output, so
        nothing waits for that.
        """
        self.ended(_exitOf(reason.value))

    def ended(self, exit: WorkerExit) -> None:
        """
        It is gone, if it ever was there.
        """
        if self.link.connected:
            # What it said last may not have been read yet.
            self.link.transport.readToTheEnd()
        self.handoffs.finish()
        self._disconnected()
        self.lifecycle.happened(Happening.EXITED)
        # A process that it started may hold the other ends, and does not read.
        self.cutOff()
        # Not before: until now it could touch what it had taken.
        self.insurance.settle(wasAsked=self.retireOrderedAt is not None)
        self._observer.workerExited(self, exit)
        # Whoever wanted what it said has it.
        self.link.forgetMessages()

    def _pulseChanged(self) -> None:
        """
        Its reactor does not turn any more, or turns again.
        """
        self._ports.workerChanged(self)
        if self.pulse.isBlocked:
            taken = self.handoffs.takeBack()
            self._log.warn(
                "worker {id} has not answered for {silence:.1f} s: it gets no "
                "connections until it does, and {taken} messages with connections "
                "that it had not read go to the others",
                id=self.id,
                silence=self.pulse.silence,
                taken=taken,
            )
        else:
            self._log.info(
                "worker {id} answers again, after {lag:.1f} s",
                id=self.id,
                lag=self.pulse.lag,
            )

    def _disconnected(self) -> None:
        """
        Its channel is closed, or its process has ended, whichever comes first; the
        second changes nothing.
        """
        if not self.lifecycle.isConnected:
            return
        self.lifecycle.happened(Happening.CHANNEL_LOST)
        self.disconnectedAt = self._seconds()
        self.pulse.stop()
        # Not closed before its process has ended: until then it may take what it has
        # read, and touch what is insured, and has to be able to say so.
        self.handoffs.takeBack()
        self._ports.workerLost(self)
        self._observer.workerDisconnected(self)


def _exitOf(reason: Any) -> WorkerExit:
    """
    How a process ended, from L{twisted.internet.error.ProcessDone} or
    L{twisted.internet.error.ProcessTerminated}.
    """
    if reason.signal is not None:
        return WorkerExit(code=None, signal=_signalName(reason.signal))
    return WorkerExit(code=reason.exitCode, signal=None)


def _signalName(number: int) -> str:
    """
    The name of a signal, as kill(1) has it: most real-time signals are named after
    the first one.
    """
    try:
        return Signals(number).name
    except ValueError:
        return f"SIGRTMIN{number - Signals.SIGRTMIN:+}"
