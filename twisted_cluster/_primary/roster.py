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
from twisted_cluster._primary.workeroutput import NewOutput, logged
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.interfaces import IPortOpener, ISpawner
from twisted_cluster.listening import ListenRequest
from twisted_cluster.observing import Observers
from twisted_cluster.scheduling import ISchedulingPolicy, RoundRobin
from twisted_cluster.settings import (
    HandoffSettings,
    PortSettings,
    SchedulingPolicy,
    WorkerProgram,
)


def _requirePolicy(policy: object) -> None:
    """
    @raise ConfigurationError: if this cannot choose workers.
    """
    if not ISchedulingPolicy.providedBy(policy):
        raise ConfigurationError(
            "newPolicy has to make objects that provide ISchedulingPolicy, not "
            f"{policy!r}"
        )


class Roster:
    """
    Starts workers and knows them until they are gone.  It decides nothing: who
    wants a certain number of workers tells it which to start.

    @ivar workers: By number, those whose process has not ended yet.
    @ivar ports: The open ports.
    """

    _log = Logger()

    def __init__(
        self,
        policy: SchedulingPolicy,
        handoff: HandoffSettings,
        spawner: ISpawner,
        opener: IPortOpener,
        clock: IReactorTime,
        newOutput: NewOutput = logged,
        ports: PortSettings | None = None,
    ) -> None:
        """
        @param policy: Who accepts the connections of its ports.
        @param handoff: How many connections may be on their way.
        @param newOutput: Where goes what workers write into pipes.
        @param ports: What workers may have opened; anything if it is not given.

        @raise ConfigurationError: if policy and hand-off do not go together, or
            what makes scheduling policies makes none.
        """
        handoff.requirePossible(policy)
        self._newPolicy = handoff.newPolicy or RoundRobin
        # One too many, lest it be known only when a worker listens.
        _requirePolicy(self._newPolicy())
        self._newOutput = newOutput
        self._handoff = handoff
        self._spawner = spawner
        self._clock = clock
        self._numbers = count(1)
        self._observers: Observers[WorkerObserver] = Observers()
        self.workers: dict[int, WorkerHandle] = {}
        self.ports = PortTable(opener, policy, self._newHandoffPort, ports)

    def addObserver(self, observer: WorkerObserver) -> None:
        """
        Tell C{observer} what happens to workers from now on.
        """
        self._observers.add(observer)

    def fork(self, program: WorkerProgram, slot: int) -> WorkerHandle:
        """
        Start a worker.

        A process that cannot be started is reported as one that ended: later,
        so that the caller has the handle by then.

        @raise ConfigurationError: if messages cannot be put into bytes in the
            program's way.
        """
        number = next(self._numbers)
        worker = WorkerHandle(
            number,
            slot,
            program.serialization,
            self._newOutput(number, program.stdio),
            self.ports,
            self,
            self._clock,
            self._handoff.blockedAfter,
        )
        self.workers[worker.id] = worker
        try:
            worker.pipes.others = self._spawner.spawn(
                worker, program, worker.id, worker.channels
            )
        except OSError as e:
            self._log.error(
                "worker {worker.id} could not be started: {error}",
                worker=worker,
                error=e,
            )
            self._clock.callLater(0, self._failed, worker, e)
        except BaseException:
            # The caller's mistake; nobody is going to end this worker.
            del self.workers[worker.id]
            raise
        else:
            self.workerStarted(worker)
        return worker

    def _failed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        A process could not be started.
        """
        self.workerFailed(worker, error)
        worker.ended(WorkerExit(code=None, signal=None))

    def hold(self, request: ListenRequest) -> None:
        """
        Open a port now, and keep it open until L{close}.

        @raise ListenRefused: if the kernel refuses.
        """
        self.ports.hold(request)

    def close(self) -> None:
        """
        Close every port.
        """
        self.ports.closeAll()

    def shutDown(self) -> None:
        """
        Close every port, and lend none any more.
        """
        self.ports.shutDown()

    def _newHandoffPort(self) -> HandoffPort:
        """
        A port whose connections the primary hands over, each with a policy
        object of its own.
        """
        return HandoffPort(self._newPolicy(), self._handoff, self._clock)

    # -- what workers report, told to everyone who wants to know

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        A process was started.
        """
        self._observers.tell("workerStarted", worker)

    def workerFailed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        A process could not be started.
        """
        self._observers.tell("workerFailed", worker, error)

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        A process has come up.
        """
        self._observers.tell("workerOnline", worker)

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        A worker's reactor runs.
        """
        self._observers.tell("workerRunning", worker)

    def workerListening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        A worker listens.  It is told when the worker has its answer: whoever is
        told may want to end the worker.
        """
        self._clock.callLater(0, self._listening, worker, address)

    def _listening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        A worker listens, unless it is gone already.
        """
        if worker.lifecycle.isConnected:
            self._observers.tell("workerListening", worker, address)

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        A worker cannot be reached any more.
        """
        self._observers.tell("workerDisconnected", worker)

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        A worker is gone.
        """
        del self.workers[worker.id]
        self._observers.tell("workerExited", worker, exit)
