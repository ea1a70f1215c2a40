"""
Keeps a cluster at the number of workers that is wanted.

What to do is decided by L{reconcile}, from facts alone; this carries it out,
and looks again whenever a fact has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._supervision.reconcile import (
    Facts,
    Kill,
    LookAgain,
    Retire,
    Start,
    Step,
    failedToStart,
    reconcile,
)
from twisted_cluster._supervision.restarts import RestartDelay
from twisted_cluster._wire.lanes import Handle, closeHandle
from twisted_cluster.errors import FailedToStart
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.settings import ClusterSettings

PATIENCE = 10.0
"""
Seconds after which it is said that the first worker's program still does not
run.  The others wait for it, and somebody may be waiting for them.
"""


class Fleet:
    """
    Starts workers, replaces those that end, and sees that all end when it is
    stopped.

    @ivar _wanted: How many workers there should be.
    @ivar _everRunning: Whether any worker's program ever ran.
    @ivar _delays: By slot, how long to wait before its next worker.
    @ivar _notBefore: By slot, when its next worker may be started.
    @ivar _stopped: Fires when the last worker has ended; C{None} while this is
        not stopping.
    @ivar _nextLook: The timer for facts that change with time alone.
    @ivar _waiting: The timer of the patience with the first worker.
    @ivar _looking: Whether steps are being taken.
    @ivar _lookAgain: Whether facts have changed meanwhile.
    @ivar _saidDropped: Whether it was said that messages are dropped.
    """

    _log = Logger()

    def __init__(
        self,
        roster: Roster,
        settings: ClusterSettings,
        clock: IReactorTime,
        gaveUp: Callable[[FailedToStart], None],
    ) -> None:
        """
        @param gaveUp: Called once if the program cannot be started at all.
        """
        self._roster = roster
        self._program = settings.program
        self._supervision = settings.supervision
        self._clock = clock
        self._gaveUp = gaveUp
        self._wanted = settings.workers
        self._everRunning = False
        self._failed = False
        self._delays: dict[int, RestartDelay] = {}
        self._notBefore: dict[int, float] = {}
        self._stopped: Deferred[None] | None = None
        self._nextLook: IDelayedCall | None = None
        self._waiting: IDelayedCall | None = None
        self._looking = False
        self._lookAgain = False
        self._saidDropped = False

    def start(self) -> None:
        """
        Start the workers.
        """
        self._roster.addObserver(self)
        self._waiting = self._clock.callLater(PATIENCE, self._stillWaiting)
        self._look()

    def stop(self) -> Deferred[None]:
        """
        Ask every worker to leave, and kill those that take too long.

        @return: Fires when all have ended; each call's does.
        """
        if self._stopped is None:
            self._stopped = Deferred()
            self._waitNoLonger()
            self._look()
        done: Deferred[None] = Deferred()
        self._stopped.addCallback(lambda _: done.callback(None))
        return done

    def killAll(self) -> None:
        """
        Do not wait any longer for workers that were asked to leave.
        """
        for worker in list(self._roster.workers.values()):
            worker.kill()

    def _stillWaiting(self) -> None:
        """
        Say why there are no other workers, if there are none.
        """
        self._log.warn(
            "the first worker's program has not run a reactor yet"
            + ("; {others} more will be started when it does" * (self._wanted > 1)),
            others=self._wanted - 1,
        )

    def _waitNoLonger(self) -> None:
        """
        The first worker's program runs, or never will.
        """
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()

    # -- what happens

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        A worker was started.  Nobody here wants its messages; but it must not wait
        for somebody to, however long it runs.
        """
        worker.link.receiveMessages(self._dropped)

    def workerFailed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        A worker's process could not be started; its exit follows.
        """

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        A worker's process has come up; its program is not known to run yet.
        """

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        The program can run: all other workers may start.
        """
        self._everRunning = True
        self._waitNoLonger()
        self._look()

    def workerListening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        A worker listens; nothing follows from it.
        """

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        A worker cannot be reached any more; its process should end soon.
        """
        self._look()

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        Replace a worker that is gone, unless that cannot help.
        """
        if failedToStart(
            everReady=self._everRunning,
            stopping=self._stopped is not None or self._failed,
            retiring=worker.wasAsked,
        ):
            self._failed = True
            self._waitNoLonger()
            self._gaveUp(FailedToStart(worker.id, str(exit)))
            return
        if not worker.wasAsked and self._stopped is None:
            self._delayNext(worker, exit)
        self._look()

    def _delayNext(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        A worker ended that nobody asked to.
        """
        delays = self._delays.setdefault(worker.slot, RestartDelay(self._supervision))
        now = self._clock.seconds()
        # procmon counts from the start of the process, but that is the start of
        # loading the program: one that takes long to load and then ends at once
        # would be started again without any delay.
        delay = delays.ended(now if worker.runningAt is None else worker.runningAt, now)
        self._notBefore[worker.slot] = now + delay
        self._log.warn(
            "worker {worker.id} ended ({exit}); starting another {when}",
            worker=worker,
            exit=exit,
            when=f"in {delay:g} s" if delay else "now",
        )

    def _dropped(self, message: object, handle: Handle | None) -> None:
        """
        Drop a message: nobody wants it.
        """
        closeHandle(handle)
        if not self._saidDropped:
            self._saidDropped = True
            self._log.warn(
                "the workers' program sends messages to its primary, where nobody "
                "receives them; they are dropped"
            )

    # -- what is done about it

    def _look(self) -> None:
        """
        Compare what is with what should be, and take the steps between.
        """
        if self._failed and self._stopped is None:
            return
        if self._looking:
            # A step of the look that is going on had a consequence at once.
            self._lookAgain = True
            return
        self._looking = True
        try:
            self._lookOnce()
            while self._lookAgain:
                self._lookAgain = False
                self._lookOnce()
        finally:
            self._looking = False

    def _lookOnce(self) -> None:
        """
        One comparison, and its steps.
        """
        if self._nextLook is not None and self._nextLook.active():
            self._nextLook.cancel()
        facts = Facts(
            wanted=self._wanted,
            workers=tuple(worker.facts() for worker in self._roster.workers.values()),
            notBefore=self._notBefore,
            stopping=self._stopped is not None,
            everReady=self._everRunning,
            killTime=self._supervision.killTime,
        )
        for step in reconcile(facts, self._clock.seconds()):
            self._take(step)
            if self._lookAgain:
                # The other steps follow from facts that are no longer true.
                break
        stopping = self._stopped
        if stopping is not None and not (self._roster.workers or stopping.called):
            stopping.callback(None)

    def _take(self, step: Step) -> None:
        """
        Carry out one step.
        """
        if isinstance(step, Start):
            self._roster.fork(self._program, step.slot)
        elif isinstance(step, Retire):
            self._roster.workers[step.workerID].retire()
        elif isinstance(step, Kill):
            worker = self._roster.workers[step.workerID]
            self._log.warn(
                "worker {worker.id} was asked to leave and did not; killing it",
                worker=worker,
            )
            worker.kill()
        elif isinstance(step, LookAgain):
            self._nextLook = self._clock.callLater(
                max(0.0, step.at - self._clock.seconds()), self._look
            )
