"""
What happens to the workers, in the primary's log.
"""

from __future__ import annotations

from twisted.logger import Logger

from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster.events import ListeningAddress, WorkerExit


class Journal:
    """
    Writes one line for each thing an operator would want to know.

    @ivar _running: The numbers of the workers whose program runs.
    """

    _log = Logger()

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._running: set[int] = set()

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        Its process was started.
        """
        self._log.info(
            "worker {worker.id} started, process {worker.pid}", worker=worker
        )

    def workerFailed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        The roster says so.
        """

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        Nothing an operator would miss.
        """

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        Its program's reactor runs.
        """
        self._running.add(worker.id)
        self._log.info(
            "worker {worker.id} is running, {running} of {wanted}",
            worker=worker,
            running=len(self._running),
            wanted=self._wanted,
        )

    def workerListening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        The port table says so, once for all workers.
        """

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        Its exit follows, and says how.
        """
        self._running.discard(worker.id)

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        It is gone.
        """
        self._log.info("worker {worker.id} is gone ({exit})", worker=worker, exit=exit)
