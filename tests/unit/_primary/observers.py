"""
An observer that keeps what it is told.
"""

from __future__ import annotations

from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster.events import ListeningAddress, WorkerExit


class RecordingObserver:
    """
    Keeps what happened to workers.

    @ivar happenings: For each, a word, the worker's number, and how it ended.
    """

    def __init__(self) -> None:
        self.happenings: list[tuple[object, ...]] = []

    def tell(self, *happening: object) -> None:
        """
        Something happened.
        """
        self.happenings.append(happening)

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        Its process was started.
        """
        self.tell("started", worker.id)

    def workerFailed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        Its process could not be started.
        """
        self.tell("failed", worker.id, error)

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        Its process has come up.
        """
        self.tell("online", worker.id)

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        Its program's reactor runs.
        """
        self.tell("running", worker.id)

    def workerListening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        It listens.
        """
        self.tell("listening", worker.id, address)

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        It cannot be reached any more.
        """
        self.tell("disconnected", worker.id)

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        Its process has ended.
        """
        self.tell("exited", worker.id, exit)
