"""
A cluster as a library: Node's C{cluster} in the primary, as an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from twisted_cluster._primary.forkedworker import ForkedWorker
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.events import ListeningAddress, PortReading, WorkerExit
from twisted_cluster.interfaces import IClusterObserver
from twisted_cluster.observing import Emitter, Observers, Occasion, requireCallable
from twisted_cluster.settings import PrimarySettings, SchedulingPolicy, WorkerProgram

EVENTS = (
    "setup",
    "fork",
    "online",
    "listening",
    "message",
    "disconnect",
    "exit",
    "error",
)


class Surroundings(Protocol):
    """
    What a cluster needs that depends on the process it is in.
    """

    def defaults(self) -> PrimarySettings:
        """
        The settings that run this program again.
        """

    def program(
        self, settings: PrimarySettings, environment: Mapping[str, object]
    ) -> WorkerProgram:
        """
        What a worker runs with these settings.

        @raise ConfigurationError: if nothing can be run with them.
        """

    def roster(self, policy: SchedulingPolicy) -> Roster:
        """
        An empty roster.
        """

    def correspondence(self, handle: WorkerHandle) -> Correspondence:
        """
        Messages to and from a worker.
        """


class Cluster(Emitter):
    """
    Workers that a program starts itself.

    Its events, for C{on} and C{once}, are those of its workers, with the
    L{Worker<twisted_cluster.workerapi.Worker>} as the first argument, and:

      - C{setup(settings)}: the settings were changed.
      - C{fork(worker)}: a worker was started.

    A worker's messages wait while nobody observes C{message}, of the worker or
    of the cluster, or is an observer of the cluster; meanwhile a worker that
    sends more than a window of them keeps the rest.

    @ivar _isGoingOn: Whether messages that wait are going to be told.
    @ivar _lastHeard: The number of the worker whose message was told last.
    @ivar schedulingPolicy: Who accepts connections; cannot be changed after the
        first L{setupPrimary} or L{fork}.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        clock: IReactorTime,
        schedulingPolicy: SchedulingPolicy = SchedulingPolicy.RR,
    ) -> None:
        super().__init__(EVENTS)
        self._workers: dict[int, ForkedWorker] = {}
        self._surroundings = surroundings
        self._clock = clock
        self._policy = schedulingPolicy
        self._settings: PrimarySettings | None = None
        self._roster: Roster | None = None
        self._observers: Observers[Any] = Observers()
        self._isGoingOn = False
        self._lastHeard = 0

    @property
    def workers(self) -> Mapping[int, ForkedWorker]:
        """
        By number, each worker whose process has not ended.
        """
        return MappingProxyType(self._workers)

    @property
    def ports(self) -> list[PortReading]:
        """
        How the open ports are at this moment, in the order in which they were
        opened.
        """
        return [] if self._roster is None else self._roster.ports.readings()

    def __repr__(self) -> str:
        return f"<Cluster of {len(self._workers)} workers>"

    # -- setting up

    @property
    def schedulingPolicy(self) -> SchedulingPolicy:
        """
        Who accepts connections.
        """
        return self._policy

    @schedulingPolicy.setter
    def schedulingPolicy(self, policy: SchedulingPolicy) -> None:
        """
        @raise ConfigurationError: if it is too late, or no policy.
        """
        if self._roster is not None:
            raise ConfigurationError(
                "the scheduling policy cannot be changed any more: set it before the "
                "first setupPrimary() or fork()"
            )
        self._policy = SchedulingPolicy.named(policy)

    @property
    def settings(self) -> dict[str, Any]:
        """
        The settings, as a dictionary of the caller's own; empty before the first
        L{setupPrimary} or L{fork}.
        """
        return {} if self._settings is None else self._settings.asDictionary()

    def setupPrimary(
        self,
        settings: PrimarySettings | Mapping[str, Any] | None = None,
        /,
        **changes: Any,
    ) -> None:
        """
        Change how workers are started from now on; what is not named stays.

        @param settings: A record, in the place of all settings, or a mapping of
            some, as C{cluster.settings} is one.
        @param changes: Fields of L{PrimarySettings}.

        @raise ConfigurationError: if there is no such setting, or it cannot have
            this value.
        """
        current = self._settings
        if isinstance(settings, PrimarySettings):
            current = settings
        elif isinstance(settings, Mapping):
            changes = {**settings, **changes}
        elif settings is not None:
            raise ConfigurationError(
                f"settings are PrimarySettings(...) or a dictionary, not {settings!r}"
            )
        current = current or self._surroundings.defaults()
        self._settings = settings = current.changed(changes)
        if self._roster is None:
            self._roster = self._surroundings.roster(self._policy)
            self._roster.addObserver(self)
        self._clock.callLater(0, self._setUp, settings)

    def _setUp(self, settings: PrimarySettings) -> None:
        """
        Tell of new settings.
        """
        self._observers.tell("clusterSetUp", settings.asDictionary())
        self.emit("setup", settings.asDictionary())

    # -- workers

    def fork(self, env: Mapping[str, object] | None = None) -> ForkedWorker:
        """
        Start a worker.

        @param env: Variables that it has beside this process's, or in
            their place; numbers become strings, and what is C{None} it has not.

        @return: The worker.  A process that cannot be started is told by its
            events: C{error}, C{disconnect}, C{exit}.

        @raise ConfigurationError: if the settings cannot work.
        """
        self.setupPrimary()
        assert self._roster is not None
        assert self._settings is not None
        program = self._surroundings.program(self._settings, env or {})
        # This comes before anything that the roster has to tell later, such as
        # that there is no process.
        started: list[ForkedWorker] = []
        self._clock.callLater(0, self._forked, started)
        handle = self._roster.fork(program, 0)
        worker = ForkedWorker(
            handle,
            self._surroundings.correspondence(handle),
            self._messagesReceived,
            self._isAnyoneHeard,
        )
        self._workers[worker.id] = worker
        started.append(worker)
        return worker

    def disconnect(
        self, callback: Callable[[], object] | None = None
    ) -> Deferred[None]:
        """
        Ask every worker to leave, and close the ports when all have.

        @param callback: Called then, for those who prefer it.

        @return: Fires then; never before this returns.  To cancel it is to wait no
            longer; the workers leave, and the ports are closed, all the same.

        @raise ConfigurationError: if the callback cannot be called.
        """
        if callback is not None:
            requireCallable(callback, "a callback is called when all workers ended")
        leaving = list(self._workers.values())
        for worker in leaving:
            worker.disconnect()
        over: Occasion[None] = Occasion()
        Deferred.fromCoroutine(self._closeAfter(leaving)).addCallbacks(
            over.happened, lambda failure: over.willNeverHappen(failure.value)
        )
        done = over.when()
        if callback is not None:
            done.addCallback(lambda _: callback())
        return done.addCallback(lambda _: None)

    async def _closeAfter(self, leaving: list[ForkedWorker]) -> None:
        """
        Close the ports when these workers have ended.
        """
        await deferLater(self._clock, 0)
        await DeferredList([worker.whenExited() for worker in leaving])
        # The last exit is told to everyone before this is.
        await deferLater(self._clock, 0)
        self._closePorts()

    def broadcast(self, message: object) -> Deferred[list[Any]]:
        """
        Send a message to every worker.

        @return: Fires with a list of C{(delivered, failure)}, one for each, when
            all were delivered or could not be.
        """
        return DeferredList(
            [
                # What one of them cannot be sent, another can: each has its own
                # serialization.
                maybeDeferred(worker.send, message)
                for worker in self._workers.values()
            ],
            consumeErrors=True,
        )

    def addObserver(self, observer: Any) -> None:
        """
        Tell C{observer} what happens.

        @param observer: Provides L{IClusterObserver}.
        """
        self._observers.add(IClusterObserver(observer))
        self._observersChanged("message")

    def removeObserver(self, observer: Any) -> None:
        """
        Tell C{observer} nothing any more.
        """
        self._observers.remove(observer)
        self._observersChanged("message")

    def _observersChanged(self, name: str) -> None:
        """
        Messages wait while nobody observes them.
        """
        if name == "message" and not self._isGoingOn:
            # Later: whoever observes may be told something in this moment.
            self._isGoingOn = True
            self._clock.callLater(0, self._goOn)

    def _goOn(self) -> None:
        """
        Tell messages that wait, as far as somebody observes those of all workers.
        """
        self._isGoingOn = False
        isObserved = self._isAnyoneHeard()
        # In turn: one that talks without end is not heard alone by those who want one
        # message at a time.
        inTurn = sorted(
            self._workers.values(),
            key=lambda worker: (worker.id <= self._lastHeard, worker.id),
        )
        for worker in inTurn:
            worker.hearMessages()
            if isObserved and not self._isAnyoneHeard():
                break

    def _isAnyoneHeard(self) -> bool:
        """
        Whether somebody observes the messages of all workers.
        """
        return bool(self._observers.known) or self.isObserved("message")

    def _shutDown(self) -> list[ForkedWorker]:
        """
        Close the ports, open none any more, and have every worker end.

        @return: Those that have not ended yet.
        """
        if self._roster is not None:
            self._roster.shutDown()
        remaining = list(self._workers.values())
        for worker in remaining:
            worker.retire()
        return remaining

    def _closePorts(self) -> None:
        """
        Close the ports, unless somebody has started workers again meanwhile.
        """
        if self._roster is not None and not self._workers:
            self._roster.close()

    # -- what happens

    def _forked(self, started: list[ForkedWorker]) -> None:
        """
        A worker was started, and its starter has it in hand; none if that was
        a mistake.
        """
        for worker in started:
            self._observers.tell("workerForked", worker)
            self.emit("fork", worker)

    def _messagesReceived(
        self, worker: ForkedWorker, messages: Iterator[object], along: object
    ) -> None:
        """
        A worker sent messages.
        """
        self._lastHeard = worker.id
        for message in messages:
            worker.emit("message", message, along)
            # Each of its observers can be the first one here.
            if self._observers.known:
                self._observers.tell("workerMessage", worker, message, along)
            if self.isObserved("message"):
                self.emit("message", worker, message, along)
            if not worker.isHeard():
                break

    def workerStarted(self, handle: WorkerHandle) -> None:
        """
        A worker was started; L{fork} tells it, later.
        """

    def workerFailed(self, handle: WorkerHandle, error: Exception) -> None:
        """
        A process could not be started.
        """
        worker = self._workers[handle.id]
        worker.failed(error)
        self._observers.tell("workerFailed", worker, error)
        self.emit("error", worker, error)

    def workerOnline(self, handle: WorkerHandle) -> None:
        """
        A worker's process has come up.
        """
        worker = self._workers[handle.id]
        worker.cameOnline()
        self._observers.tell("workerOnline", worker)
        self.emit("online", worker)

    def workerRunning(self, handle: WorkerHandle) -> None:
        """
        A worker's reactor runs: Node has no such event.
        """

    def workerListening(self, handle: WorkerHandle, address: ListeningAddress) -> None:
        """
        A worker listens.
        """
        worker = self._workers[handle.id]
        worker.listens(address)
        self._observers.tell("workerListening", worker, address)
        self.emit("listening", worker, address)

    def workerDisconnected(self, handle: WorkerHandle) -> None:
        """
        A worker's channel is closed.
        """
        worker = self._workers[handle.id]
        worker.wasDisconnected()
        self._observers.tell("workerDisconnected", worker)
        self.emit("disconnect", worker)

    def workerExited(self, handle: WorkerHandle, exit: WorkerExit) -> None:
        """
        A worker's process has ended.
        """
        worker = self._workers.pop(handle.id)
        worker.ended(exit)
        self._observers.tell("workerExited", worker, exit)
        self.emit("exit", worker, exit.code, exit.signal)
        worker.hearMessages()
        worker.forgetMessages()
