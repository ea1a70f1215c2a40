"""
A worker as the primary sees it; the worker's own side is in C{_worker}.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from signal import Signals
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from twisted_cluster._primary.porttable import PortTable
from twisted_cluster._primary.workerlink import WorkerLink, WorkerQueries
from twisted_cluster._primary.workeroutput import WorkerOutput
from twisted_cluster._supervision.lifecycle import Happening, Lifecycle
from twisted_cluster._supervision.reconcile import WorkerFacts
from twisted_cluster.errors import ListenRefused
from twisted_cluster.events import WorkerExit
from twisted_cluster.interfaces import AcceptedConnection
from twisted_cluster.listening import ListenRequest, Loan


class WorkerObserver(Protocol):
    """
    Who is told what happens to workers.
    """

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        Its process was started.
        """

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        Its process has come up; its program is not loaded yet.
        """

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        Its program's reactor runs.
        """

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        It cannot be reached any more; its process may still be there.
        """

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        Its process has ended.  Always after L{workerDisconnected}.
        """


class WorkerHandle(ProcessProtocol):
    """
    One worker process, from its start to its end.

    @ivar id: Its number; never used again.
    @ivar slot: Which of the cluster's places it fills.
    @ivar lifecycle: What state it is in.
    @ivar startedAt: When its process was started, in the clock's seconds.
    @ivar runningAt: When its program's reactor began to run; C{None} before.
    @ivar retireOrderedAt: When it was asked to leave; C{None} if it was not.
    @ivar disconnectedAt: When its channel was lost; C{None} before.
    @ivar killOrdered: Whether it was killed by us.
    @ivar link: Our end of the stream channel.
    @ivar queries: Our end of the query channel.
    """

    def __init__(
        self,
        id: int,
        slot: int,
        ports: PortTable,
        observer: WorkerObserver,
        seconds: Callable[[], float],
    ) -> None:
        """
        @param seconds: Tells the time, as
            L{twisted.internet.interfaces.IReactorTime.seconds} does.
        """
        self.id = id
        self.slot = slot
        self.lifecycle = Lifecycle()
        self.link = WorkerLink(self)
        self.queries = WorkerQueries(self)
        self.runningAt: float | None = None
        self.retireOrderedAt: float | None = None
        self.disconnectedAt: float | None = None
        self.killOrdered = False
        self._ports = ports
        self._observer = observer
        self._seconds = seconds
        self.startedAt: float = seconds()
        self._output = {1: WorkerOutput(id), 2: WorkerOutput(id)}

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
        Whether its reactor runs and it has not been asked to leave.
        """
        return self.lifecycle.mayTakeConnections

    def facts(self) -> WorkerFacts:
        """
        What supervision has to know.
        """
        return WorkerFacts(
            id=self.id,
            slot=self.slot,
            state=self.lifecycle.state,
            startedAt=self.startedAt,
            retireOrderedAt=self.retireOrderedAt,
            disconnectedAt=self.disconnectedAt,
            killOrdered=self.killOrdered,
        )

    # -- what it is asked

    def handOff(
        self, loan: int, connections: Sequence[AcceptedConnection]
    ) -> Deferred[Sequence[int]]:
        """
        Send it connections.
        """
        return self.link.takeConnections(loan, connections)

    def retire(self) -> None:
        """
        Ask it to leave: no new connections, and SIGTERM, on which a Twisted
        program stops in its own orderly way.
        """
        self.lifecycle.happened(Happening.RETIRE_ORDERED)
        if self.retireOrderedAt is None:
            self.retireOrderedAt = self._seconds()
        self._ports.workerChanged(self)
        self.signal("TERM")

    def kill(self) -> None:
        """
        End it, whatever it does.
        """
        self.killOrdered = True
        self.signal("KILL")

    def signal(self, name: str) -> None:
        """
        Send its process a signal; nothing happens if it has ended.
        """
        if self.transport is not None:
            try:
                self.transport.signalProcess(name)
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
        """
        self.lifecycle.happened(Happening.RAN)
        self.runningAt = self._seconds()
        self._ports.workerChanged(self)
        self._observer.workerRunning(self)

    def listen(self, request: ListenRequest) -> Loan:
        """
        It wants a port.
        """
        if not self.lifecycle.isConnected:
            # As above; and nobody would give the port back.
            raise ListenRefused(errno.ENOTCONN)
        return self._ports.lend(self, request)

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

    def channelLost(self) -> None:
        """
        It cannot be reached any more.
        """
        self._disconnected()

    # -- what its process does

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It wrote to its standard output or error.
        """
        self._output[childFD].received(data)

    def childConnectionLost(self, childFD: int) -> None:
        """
        It, and everything it started, closed its standard output or error.
        """
        self._output[childFD].ended()

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
        self._disconnected()
        self.lifecycle.happened(Happening.EXITED)
        for channel in (self.link, self.queries):
            if channel.connected:
                # A process that it started may hold the other ends.
                channel.transport.loseConnection()
        self._observer.workerExited(self, exit)

    def _disconnected(self) -> None:
        """
        Whichever comes first, the end of the channel or of the process; the
        second changes nothing.
        """
        if not self.lifecycle.isConnected:
            return
        self.lifecycle.happened(Happening.CHANNEL_LOST)
        self.disconnectedAt = self._seconds()
        self._ports.workerLost(self)
        self._observer.workerDisconnected(self)


def _exitOf(reason: Any) -> WorkerExit:
    """
    How a process ended, from L{twisted.internet.error.ProcessDone} or
    L{twisted.internet.error.ProcessTerminated}.
    """
    if reason.signal is not None:
        return WorkerExit(code=None, signal=Signals(reason.signal).name)
    return WorkerExit(code=reason.exitCode, signal=None)
