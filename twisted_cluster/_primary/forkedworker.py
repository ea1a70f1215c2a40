"""
A worker, as programs that use this package as a library see it from the primary.

What is behind it, the process and its channels, is the L{WorkerHandle}'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from twisted.internet.defer import Deferred

from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._primary.workeroutput import OutputStream
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster.errors import WorkerLost
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.workerapi import Worker, WorkerProcess, WorkerStream, byDescriptor


class ForkedProcess(WorkerProcess):
    """
    The process of a worker, from outside.
    """

    def __init__(self, handle: WorkerHandle) -> None:
        self._handle = handle
        self.pid = handle.pid
        streams = {
            descriptor: WorkerStream(
                output,
                partial(handle.pipes.write, descriptor),
                partial(handle.pipes.close, descriptor),
            )
            for descriptor, output in handle.pipes.output.items()
            if isinstance(output, OutputStream)
        }
        self._stdio = byDescriptor(streams)

    @property
    def stdio(self) -> tuple[WorkerStream | None, ...]:
        """
        Our ends of its pipes.
        """
        return self._stdio

    @property
    def connected(self) -> bool:
        """
        Whether its channel is open, and nobody has begun to close it.
        """
        return self._handle.link.maySay

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Send it a signal; nothing happens if it has ended.
        """
        self._handle.signal(signal)

    def disconnect(self) -> None:
        """
        Close the channel: the worker takes it for the end of its primary.
        """
        self._handle.disconnect()


class ForkedWorker(Worker):
    """
    A worker, in the primary that started it.
    """

    def __init__(
        self,
        handle: WorkerHandle,
        correspondence: Correspondence,
        received: Callable[[ForkedWorker, Iterator[object], object], None],
        isAnyoneHeard: Callable[[], bool],
    ) -> None:
        """
        @param received: Called with this worker, messages of its that came
            together, and what came along; leaves those that are not observed.
        @param isAnyoneHeard: Whether somebody observes the messages of all workers.
        """
        super().__init__(handle.id, correspondence)
        self._isAnyoneHeard = isAnyoneHeard
        self.process = ForkedProcess(handle)
        self._handle = handle
        self._correspondence = correspondence
        correspondence.receiveGroups(partial(received, self), self.isHeard)

    # -- what it is

    @property
    def state(self) -> str:
        """
        C{"none"}, C{"online"}, C{"listening"}, C{"disconnected"} or C{"dead"}.
        """
        if self._exited.isOver:
            return "dead"
        if self._disconnected.isOver:
            return "disconnected"
        if self._listening.isOver:
            return "listening"
        return "online" if self._online.isOver else "none"

    @property
    def exitedAfterDisconnect(self) -> bool | None:
        """
        Whether it leaves, or left, because somebody wanted it to; C{None} while
        it does not leave at all.
        """
        if self._handle.voluntary:
            return True
        return False if self._disconnected.isOver else None

    def isBlocked(self) -> bool:
        """
        Whether its reactor has not turned for so long that it gets no connections.
        """
        return self._handle.pulse.isBlocked and self.isConnected()

    # -- what it is asked

    def disconnect(self) -> Deferred[Worker]:
        """
        Ask it to leave.

        @return: Fires when its channel is closed.
        """
        if not self._handle.lifecycle.isLeaving:
            self._handle.leave()
        return self.whenDisconnected()

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Send its process a signal; nothing happens if it has ended.
        """
        self.process.kill(signal)

    def retire(self) -> None:
        """
        Have it get no connections any more, and end by SIGTERM.
        """
        if self._handle.lifecycle.isLeaving:
            self.kill("SIGTERM")
        else:
            self._handle.retire()

    # -- its messages

    def isHeard(self) -> bool:
        """
        Whether somebody observes its messages.
        """
        return self.isObserved("message") or self._isAnyoneHeard()

    def hearMessages(self) -> None:
        """
        Others observe its messages than before, or are about to be too late: tell
        those that wait.
        """
        self._correspondence.goOn()

    def forgetMessages(self) -> None:
        """
        Nobody is going to want them any more.
        """
        lost = self._correspondence.forget()
        if lost:
            self._log.warn(
                "nobody observed the messages of worker {worker}: the last {lost} are "
                "lost with it",
                worker=self.id,
                lost=lost,
            )

    def _observersChanged(self, name: str) -> None:
        """
        Messages wait while nobody observes them.
        """
        if name == "message":
            self._correspondence.goOnLater()

    # -- what its handle reports

    def cameOnline(self) -> None:
        """
        Its process has come up.
        """
        self.process.pid = self._handle.pid
        self._online.happened(self)
        self.emit("online")

    def listens(self, address: ListeningAddress) -> None:
        """
        It listens.
        """
        self._listening.happened(address)
        self.emit("listening", address)

    def failed(self, error: Exception) -> None:
        """
        Its process could not be started.
        """
        self.emit("error", error)

    def ended(self, exit: WorkerExit) -> None:
        """
        Its process has ended.
        """
        self.process.exitCode = exit.code
        self.process.signalCode = exit.signal
        self._exited.happened(exit)
        self.emit("exit", exit.code, exit.signal)
        self.hearMessages()
        self.happenNoMore(WorkerLost(f"worker {self.id} is gone"))
