"""
The workers there are, and the ports they share.
"""

from __future__ import annotations

from itertools import count

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twisted_cluster._primary.handoffport import HandoffPort
from twisted_cluster._primary.porttable import PortTable
from twisted_cluster._primary.workerhandle import WorkerHandle, WorkerObserver
from twisted_cluster.events import WorkerExit
from twisted_cluster.interfaces import IPortOpener, ISpawner
from twisted_cluster.listening import ListenRequest
from twisted_cluster.scheduling import RoundRobin
from twisted_cluster.settings import ClusterSettings


class Cluster:
    """
    Starts workers and knows them until they are gone.  It decides nothing: who
    wants a certain number of workers tells it which to start.

    @ivar workers: By number, those whose process has not ended yet.
    @ivar ports: The open ports.
    """

    _log = Logger()

    def __init__(
        self,
        settings: ClusterSettings,
        spawner: ISpawner,
        opener: IPortOpener,
        clock: IReactorTime,
    ) -> None:
        self._settings = settings
        self._spawner = spawner
        self._clock = clock
        self._numbers = count(1)
        self._observers: list[WorkerObserver] = []
        self.workers: dict[int, WorkerHandle] = {}
        self.ports = PortTable(opener, settings.policy, self._newHandoffPort)

    def addObserver(self, observer: WorkerObserver) -> None:
        """
        Tell C{observer} what happens to workers from now on.
        """
        self._observers.append(observer)

    def fork(self, slot: int) -> WorkerHandle:
        """
        Start a worker.

        A process that cannot be started is reported as one that ended: later,
        so that the caller has the handle by then.
        """
        worker = WorkerHandle(
            next(self._numbers), slot, self.ports, self, self._clock.seconds
        )
        self.workers[worker.id] = worker
        try:
            self._spawner.spawn(
                worker,
                self._settings.program,
                worker.id,
                worker.link,
                worker.queries,
            )
        except OSError as e:
            self._log.error(
                "worker {worker.id} could not be started: {error}",
                worker=worker,
                error=e,
            )
            nothing = WorkerExit(code=None, signal=None)
            self._clock.callLater(0, worker.ended, nothing)
        else:
            self.workerStarted(worker)
        return worker

    def hold(self, request: ListenRequest) -> None:
        """
        Open a port now, and keep it open until L{close}.

        @raise ListenRefused: if the kernel refuses.
        """
        self.ports.hold(request)

    def close(self) -> None:
        """
        Close every port, and lend none any more.
        """
        self.ports.shutDown()

    def _newHandoffPort(self) -> HandoffPort:
        """
        A port whose connections the primary hands over, each with a policy
        object of its own.
        """
        return HandoffPort(RoundRobin(), self._settings.handoff, self._clock)

    # -- what workers report, told to everyone who wants to know

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        A process was started.
        """
        self._tell("workerStarted", worker)

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        A process has come up.
        """
        self._tell("workerOnline", worker)

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        A worker's reactor runs.
        """
        self._tell("workerRunning", worker)

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        A worker cannot be reached any more.
        """
        self._tell("workerDisconnected", worker)

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        A worker is gone.
        """
        del self.workers[worker.id]
        self._tell("workerExited", worker, exit)

    def _tell(self, happening: str, *what: object) -> None:
        """
        Tell every observer; one that fails harms nobody.
        """
        for observer in list(self._observers):
            with self._log.failuresHandled(
                "{observer!r} failed in {happening}",
                observer=observer,
                happening=happening,
            ):
                getattr(observer, happening)(*what)
