"""
Tests of L{twisted_cluster._supervision.reconcile}.
"""

from __future__ import annotations

from collections.abc import Mapping
from unittest import TestCase

from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from twisted_cluster._supervision.lifecycle import Happening, Lifecycle, State
from twisted_cluster._supervision.reconcile import (
    Facts,
    Kill,
    LookAgain,
    Retire,
    Start,
    WorkerFacts,
    failedToStart,
    reconcile,
)
from twisted_cluster._supervision.restarts import RestartDelay
from twisted_cluster.settings import SupervisionSettings

NOW = 100.0
KILL_TIME = 5.0


def worker(
    number: int,
    state: State = State.READY,
    *,
    slot: int | None = None,
    retireOrderedAt: float | None = None,
    disconnectedAt: float | None = None,
    killOrdered: bool = False,
) -> WorkerFacts:
    """
    A worker, by default one in the slot that its number suggests.
    """
    return WorkerFacts(
        id=number,
        slot=number - 1 if slot is None else slot,
        state=state,
        retireOrderedAt=retireOrderedAt,
        disconnectedAt=disconnectedAt,
        killOrdered=killOrdered,
    )


def facts(
    wanted: int,
    *workers: WorkerFacts,
    notBefore: Mapping[int, float] | None = None,
    stopping: bool = False,
    everReady: bool = True,
) -> Facts:
    """
    Facts about a cluster that is well, apart from what is given.
    """
    return Facts(
        wanted=wanted,
        workers=workers,
        notBefore=notBefore or {},
        stopping=stopping,
        everReady=everReady,
        killTime=KILL_TIME,
    )


class ReconcileTests(TestCase):
    """
    Tests of L{reconcile} by example.
    """

    def test_nothingToDo(self) -> None:
        """
        There is nothing to do if there is what should be.
        """
        self.assertEqual(reconcile(facts(2, worker(1), worker(2)), NOW), ())
        self.assertEqual(reconcile(facts(0), NOW), ())
        self.assertEqual(reconcile(facts(4, stopping=True), NOW), ())

    def test_canary(self) -> None:
        """
        The first worker is started alone, and the others when it is ready.
        """
        first = facts(3, everReady=False)
        self.assertEqual(reconcile(first, NOW), (Start(0),))
        for state in (State.STARTING, State.ONLINE):
            waiting = evolve(first, workers=(worker(1, state),))
            self.assertEqual(reconcile(waiting, NOW), ())
        self.assertEqual(reconcile(facts(3, worker(1)), NOW), (Start(1), Start(2)))

    def test_canaryHasItsDelay(self) -> None:
        """
        The first worker is not started in another slot when its own has to
        wait.
        """
        waiting = facts(3, everReady=False, notBefore={0: NOW + 2})
        self.assertEqual(reconcile(waiting, NOW), (LookAgain(NOW + 2),))
        self.assertEqual(reconcile(waiting, NOW + 2), (Start(0),))

    def test_crash(self) -> None:
        """
        A worker that is gone is replaced in its slot, not before the slot's
        time.
        """
        crashed = facts(
            3, worker(1), worker(2, State.GONE), worker(3), notBefore={1: NOW + 1}
        )
        self.assertEqual(reconcile(crashed, NOW), (LookAgain(NOW + 1),))
        self.assertEqual(reconcile(crashed, NOW + 1), (Start(1),))

    def test_earliestTime(self) -> None:
        """
        The next look is at the earliest of all times, and comes last.
        """
        waiting = facts(
            4,
            worker(1),
            worker(5, slot=4),
            notBefore={1: NOW + 3, 2: NOW - 1, 3: NOW + 2},
        )
        self.assertEqual(
            reconcile(waiting, NOW), (Retire(5), Start(2), LookAgain(NOW + 2))
        )

    def test_leavingWorkerOccupiesItsSlot(self) -> None:
        """
        A slot is not filled before the worker that leaves it is gone.
        """
        retiring = worker(1, State.RETIRING, retireOrderedAt=NOW)
        self.assertEqual(
            reconcile(facts(1, retiring), NOW), (LookAgain(NOW + KILL_TIME),)
        )
        disconnected = worker(1, State.DISCONNECTED, disconnectedAt=NOW)
        self.assertEqual(
            reconcile(facts(1, disconnected), NOW), (LookAgain(NOW + KILL_TIME),)
        )
        gone = worker(1, State.GONE, retireOrderedAt=NOW, disconnectedAt=NOW)
        self.assertEqual(reconcile(facts(1, gone), NOW), (Start(0),))

    def test_scaleDown(self) -> None:
        """
        Workers beyond the slots are asked to retire, whatever they do now.
        """
        many = facts(
            1,
            worker(4, State.STARTING),
            worker(3, State.ONLINE),
            worker(2),
            worker(1),
        )
        self.assertEqual(
            reconcile(many, NOW),
            (Retire(2), Retire(3), Retire(4), LookAgain(NOW + KILL_TIME)),
        )

    def test_scaleUp(self) -> None:
        """
        The slots that were added are filled at once.
        """
        self.assertEqual(
            reconcile(facts(3, worker(7, slot=1)), NOW), (Start(0), Start(2))
        )

    def test_crowdedSlot(self) -> None:
        """
        Of two workers in one slot the younger is asked to retire.
        """
        self.assertEqual(
            reconcile(facts(1, worker(2, slot=0), worker(1)), NOW),
            (Retire(2), LookAgain(NOW + KILL_TIME)),
        )

    def test_stopping(self) -> None:
        """
        When stopping all are asked to retire, and none is started.
        """
        leaving = facts(3, worker(1), worker(2, State.STARTING), stopping=True)
        self.assertEqual(
            reconcile(leaving, NOW),
            (Retire(1), Retire(2), LookAgain(NOW + KILL_TIME)),
        )

    def test_kill(self) -> None:
        """
        A worker that takes too long to leave is killed, once.
        """
        late = worker(1, State.RETIRING, retireOrderedAt=NOW)
        deadline = NOW + KILL_TIME
        self.assertEqual(
            reconcile(facts(1, late), deadline - 1), (LookAgain(deadline),)
        )
        self.assertEqual(reconcile(facts(1, late), deadline), (Kill(1),))
        killed = evolve(late, killOrdered=True)
        self.assertEqual(reconcile(facts(1, killed), deadline + 9), ())

    def test_killWithoutChannel(self) -> None:
        """
        A process that lives on without its channel is killed when its time
        is over, counted from when it began to leave.
        """
        lost = worker(1, State.DISCONNECTED, disconnectedAt=NOW)
        for stopping in (False, True):
            self.assertEqual(
                reconcile(facts(1, lost, stopping=stopping), NOW + KILL_TIME),
                (Kill(1),),
            )
        asked = evolve(lost, retireOrderedAt=NOW - 2)
        self.assertEqual(
            reconcile(facts(1, asked), NOW), (LookAgain(NOW - 2 + KILL_TIME),)
        )

    def test_goneIsGone(self) -> None:
        """
        Nothing is done to a worker that is gone, however it went.
        """
        gone = worker(
            9, State.GONE, slot=0, retireOrderedAt=NOW - 50, disconnectedAt=NOW - 40
        )
        self.assertEqual(reconcile(facts(1, worker(1), gone), NOW), ())

    @settings(deadline=None)
    @given(data=st.data())
    def test_order(self, data: st.DataObject) -> None:
        """
        The order in which the workers are listed does not matter.
        """
        workers = [
            worker(number, state, slot=number % 4, retireOrderedAt=NOW - number)
            if state is State.RETIRING
            else worker(number, state, slot=number % 4)
            for number, state in enumerate(
                data.draw(st.lists(st.sampled_from(State), max_size=8))
            )
        ]
        shuffled = data.draw(st.permutations(workers))
        wanted = data.draw(st.integers(0, 5))
        self.assertEqual(
            reconcile(facts(wanted, *workers), NOW),
            reconcile(facts(wanted, *shuffled), NOW),
        )

    def test_anyHistory(self) -> None:
        """
        Whatever happens to a fleet of workers, it never has too many, and
        comes to be as it should.
        """
        run_state_machine_as_test(
            FleetHistory,
            settings=settings(max_examples=150, stateful_step_count=40, deadline=None),
        )


class FailedToStartTests(TestCase):
    """
    Tests of L{failedToStart}.
    """

    def test_firstWorkerEnded(self) -> None:
        """
        A program that ends by itself before it ever ran cannot be started.
        """
        self.assertTrue(failedToStart(everReady=False, stopping=False, retiring=False))

    def test_goodReasons(self) -> None:
        """
        A worker that was asked to leave proves nothing, nor does one that ends
        when others could run.
        """
        self.assertFalse(failedToStart(everReady=True, stopping=False, retiring=False))
        self.assertFalse(failedToStart(everReady=False, stopping=True, retiring=False))
        self.assertFalse(failedToStart(everReady=False, stopping=False, retiring=True))


@define(eq=False)
class SimulatedWorker:
    """
    A worker whose process does what the test says.
    """

    id: int
    slot: int
    startedAt: float
    lifecycle: Lifecycle = field(factory=Lifecycle)
    retireOrderedAt: float | None = None
    disconnectedAt: float | None = None
    killOrdered: bool = False

    @property
    def facts(self) -> WorkerFacts:
        """
        What there is to know about it.
        """
        return WorkerFacts(
            id=self.id,
            slot=self.slot,
            state=self.lifecycle.state,
            retireOrderedAt=self.retireOrderedAt,
            disconnectedAt=self.disconnectedAt,
            killOrdered=self.killOrdered,
        )


class Fleet:
    """
    Simulated workers, and somebody who executes every step at once.
    """

    def __init__(self, wanted: int) -> None:
        """
        Begin with no worker.
        """
        self.now = 0.0
        self.wanted = wanted
        self.stopping = False
        self.everReady = False
        self.workers: list[SimulatedWorker] = []
        self.number = 0
        self.alarm: float | None = None
        self.limits = SupervisionSettings(killTime=KILL_TIME, maxRestartDelay=20)
        self.delays: dict[int, RestartDelay] = {}
        self.notBefore: dict[int, float] = {}
        self.look()

    @property
    def facts(self) -> Facts:
        """
        All facts as they are now.
        """
        return Facts(
            wanted=self.wanted,
            workers=tuple(worker.facts for worker in self.workers),
            notBefore=dict(self.notBefore),
            stopping=self.stopping,
            everReady=self.everReady,
            killTime=KILL_TIME,
        )

    def look(self) -> None:
        """
        Ask what to do, and do it.
        """
        self.alarm = None
        for step in reconcile(self.facts, self.now):
            assert self.alarm is None, "a step after LookAgain"
            match step:
                case Start(slot):
                    self.start(slot)
                case Retire(number):
                    leaving = self.find(number)
                    assert leaving.retireOrderedAt is None, "retired twice"
                    leaving.lifecycle.happened(Happening.RETIRE_ORDERED)
                    leaving.retireOrderedAt = self.now
                case Kill(number):
                    late = self.find(number)
                    assert not late.killOrdered, "killed twice"
                    late.killOrdered = True
                case LookAgain(at):
                    assert at > self.now, "a look at once"
                    self.alarm = at

        # The answer took its own steps into account.
        again = () if self.alarm is None else (LookAgain(self.alarm),)
        assert reconcile(self.facts, self.now) == again

    def start(self, slot: int) -> None:
        """
        Start a worker.
        """
        assert self.now >= self.notBefore.get(slot, 0.0), "started too early"
        self.number += 1
        self.workers.append(SimulatedWorker(self.number, slot, self.now))

    def find(self, number: int) -> SimulatedWorker:
        """
        The worker with this number.
        """
        [found] = [worker for worker in self.workers if worker.id == number]
        return found

    def comeUp(self, worker: SimulatedWorker) -> None:
        """
        The worker comes as far as its next state.
        """
        if worker.lifecycle.state is State.STARTING:
            worker.lifecycle.happened(Happening.ANNOUNCED)
        elif worker.lifecycle.state is State.ONLINE:
            worker.lifecycle.happened(Happening.RAN)
            self.everReady = True
        self.look()

    def lose(self, worker: SimulatedWorker) -> None:
        """
        The worker's channel is lost.
        """
        worker.lifecycle.happened(Happening.CHANNEL_LOST)
        worker.disconnectedAt = self.now
        self.look()

    def end(self, worker: SimulatedWorker) -> None:
        """
        The worker's process ends.
        """
        if worker.lifecycle.isConnected:
            self.lose(worker)
        worker.lifecycle.happened(Happening.EXITED)
        self.workers.remove(worker)
        delay = self.delays.setdefault(worker.slot, RestartDelay(self.limits))
        self.notBefore[worker.slot] = self.now + delay.ended(worker.startedAt, self.now)
        if failedToStart(
            everReady=self.everReady,
            stopping=self.stopping,
            retiring=worker.retireOrderedAt is not None,
        ):
            self.stopping = True
        self.look()

    def advance(self, seconds: float) -> None:
        """
        Time passes, and the next look comes when it was asked for.
        """
        end = self.now + seconds
        while self.alarm is not None and self.alarm <= end:
            self.now = self.alarm
            self.look()
        self.now = end

    def settle(self, *, obedient: bool) -> None:
        """
        Let time pass until nothing is left to wait for, in which workers come
        up without another crash.

        @param obedient: Whether those that were asked to leave do.  Those that
            were killed always do.
        """
        for _ in range(200):
            for worker in list(self.workers):
                asked = worker.lifecycle.state in (State.RETIRING, State.DISCONNECTED)
                if worker.killOrdered or (obedient and asked):
                    self.end(worker)
                else:
                    self.comeUp(worker)
                    self.comeUp(worker)
            if self.alarm is not None:
                self.advance(self.alarm - self.now)
            elif not reconcile(self.facts, self.now):
                settled = all(
                    worker.lifecycle.state is State.READY for worker in self.workers
                )
                if settled:
                    return
        raise AssertionError(f"it does not settle: {self.facts}")


class FleetHistory(RuleBasedStateMachine):
    """
    Anything happens to a fleet.
    """

    fleet: Fleet

    @initialize(wanted=st.integers(0, 5))
    def begin(self, wanted: int) -> None:
        """
        There is a fleet.
        """
        self.fleet = Fleet(wanted)

    @rule(wanted=st.integers(0, 5))
    def scale(self, wanted: int) -> None:
        """
        Another number of workers is wanted.
        """
        self.fleet.wanted = wanted
        self.fleet.look()

    @precondition(lambda self: self.fleet.workers)
    @rule(data=st.data())
    def comeUp(self, data: st.DataObject) -> None:
        """
        A worker comes as far as its next state.
        """
        self.fleet.comeUp(data.draw(st.sampled_from(self.fleet.workers)))

    @rule()
    def allComeUp(self) -> None:
        """
        All workers that can come to be ready.
        """
        for worker in list(self.fleet.workers):
            self.fleet.comeUp(worker)
            self.fleet.comeUp(worker)

    @precondition(
        lambda self: any(it.lifecycle.isConnected for it in self.fleet.workers)
    )
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        """
        A channel is lost, and the process lives on.
        """
        connected = [it for it in self.fleet.workers if it.lifecycle.isConnected]
        self.fleet.lose(data.draw(st.sampled_from(connected)))

    @precondition(lambda self: self.fleet.workers and self.fleet.everReady)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """
        A process ends.
        """
        self.fleet.end(data.draw(st.sampled_from(self.fleet.workers)))

    @precondition(lambda self: self.fleet.workers and not self.fleet.everReady)
    @rule()
    def endBeforeAnyWasReady(self) -> None:
        """
        The only process ends before it was ready; if it was not asked to, this
        is the end of all.
        """
        [worker] = self.fleet.workers
        unasked = worker.retireOrderedAt is None
        self.fleet.end(worker)
        if unasked:
            assert self.fleet.stopping

    @rule(seconds=st.sampled_from([0.5, 1, 4, 30]))
    def wait(self, seconds: float) -> None:
        """
        Time passes.
        """
        self.fleet.advance(seconds)

    @rule()
    def stop(self) -> None:
        """
        The fleet is asked to stop.
        """
        self.fleet.stopping = True
        self.fleet.look()

    @invariant()
    def neverTooMany(self) -> None:
        """
        No slot has two workers, no more stay than are wanted, none when
        stopping, and only one is there while none was ever ready.
        """
        if not hasattr(self, "fleet"):
            return
        fleet = self.fleet
        slots = [worker.slot for worker in fleet.workers]
        assert len(slots) == len(set(slots))
        staying = [
            worker
            for worker in fleet.workers
            if worker.lifecycle.state in (State.STARTING, State.ONLINE, State.READY)
        ]
        assert len(staying) <= (0 if fleet.stopping else fleet.wanted)
        if not fleet.everReady:
            assert len(slots) <= 1

    def teardown(self) -> None:
        """
        Left in peace the fleet comes to be as wanted; and when it is stopped
        nothing stays, whether or not the workers obey.
        """
        if not hasattr(self, "fleet"):
            return
        fleet = self.fleet
        fleet.settle(obedient=True)
        wanted = 0 if fleet.stopping else fleet.wanted
        assert sorted(worker.slot for worker in fleet.workers) == list(range(wanted))

        fleet.stopping = True
        fleet.look()
        fleet.settle(obedient=False)
        assert fleet.workers == []
