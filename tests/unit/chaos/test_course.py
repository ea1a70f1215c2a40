"""
Tests for L{tests.chaos.soak.course}.
"""

from __future__ import annotations

import signal
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak.course import Course, SoakFailed
from tests.chaos.soak.plan import Fault, Kind
from tests.chaos.soak.steering import OrderFailed


class MemoryPrimary:
    """
    A primary that does nothing but note its orders.

    @ivar orders: Each with its worker.
    @ivar result: What it says to each.
    """

    def __init__(self) -> None:
        self.ended: Deferred[Any] = Deferred()
        self.orders: list[tuple[str, int]] = []
        self.result: Deferred[Any] = succeed(None)

    def order(self, name: str, worker: int, **arguments: Any) -> Deferred[Any]:
        """
        Note an order.
        """
        self.orders.append((name, worker))
        return self.result


class CourseTests(SynchronousTestCase):
    """
    Tests for L{Course}.
    """

    def setUp(self) -> None:
        """
        Make a course on two workers that listen.
        """
        self.clock = Clock()
        self.signals: list[tuple[int, int]] = []
        self.course = Course(self.clock, 2, lambda *what: self.signals.append(what))
        self.primary = MemoryPrimary()
        self.course.primary = cast("Any", self.primary)
        for worker in (1, 2):
            self.start(worker)

    def start(self, worker: int) -> None:
        """
        Start a worker.
        """
        self.happened("fork", worker, pid=worker + 100)
        self.happened("listening", worker)

    def happened(self, event: str, worker: int, **facts: Any) -> None:
        """
        Something happened to a worker.
        """
        self.course.happened({"event": event, "worker": worker, **facts})

    def exited(self, worker: int, code: int | None, signal: str | None = None) -> None:
        """
        A worker has ended.
        """
        self.happened("exit", worker, code=code, signal=signal)

    def carryOut(self, *kinds: Kind, aim: float = 0.0) -> None:
        """
        Carry out some faults, on the first worker that suits.
        """
        faults = [Fault(kind, aim=aim, seconds=1.0, pause=0.0) for kind in kinds]
        running = Deferred.fromCoroutine(self.course.run(faults, lambda: False))
        for _ in faults:
            self.clock.advance(0.02)
        self.successResultOf(running)

    def test_kill(self) -> None:
        """
        A worker that is killed may end, and so is replaced.
        """
        self.start(3)
        self.carryOut(Kind.KILL, aim=1.0)
        self.assertEqual(self.signals, [(103, signal.SIGKILL)])
        self.assertEqual((self.course.kills, [*self.course.killedAt]), (1, [3]))
        self.exited(3, None, "SIGKILL")
        self.assertEqual(self.course.unexplained, [])

    def test_stop(self) -> None:
        """
        A worker that is stopped goes on later; not if it was killed meanwhile, as
        its number may be somebody else's by then.
        """
        self.start(3)
        self.carryOut(Kind.STOP, Kind.STOP)
        self.assertEqual(self.signals, [(101, signal.SIGSTOP), (102, signal.SIGSTOP)])
        self.exited(2, None, "SIGKILL")
        self.clock.advance(1.0)
        self.assertEqual(self.signals[2:], [(101, signal.SIGCONT)])

    def test_unexplained(self) -> None:
        """
        A worker that ends for no reason is noticed, in whatever way it ends.
        """
        self.exited(1, 0)
        self.exited(2, None, "SIGSEGV")
        self.assertEqual(
            self.course.unexplained,
            ["worker 1 ended: 0, None", "worker 2 ended: None, SIGSEGV"],
        )

    def test_roll(self) -> None:
        """
        A worker that was told to leave may end, but only in order.
        """
        self.start(3)
        self.carryOut(Kind.ROLL, Kind.ROLL)
        self.assertEqual(self.primary.orders, [("roll", 1), ("roll", 2)])
        self.exited(1, 0)
        self.assertEqual(self.course.unexplained, [])
        self.exited(2, 1)
        self.assertEqual(len(self.course.unexplained), 1)

    def test_orderFailed(self) -> None:
        """
        A worker that cannot do what it is told is noticed, unless it was killed.
        """
        self.start(3)
        self.primary.result = fail(OrderFailed("no"))
        self.carryOut(Kind.RELISTEN)
        self.assertEqual(self.course.unexplained, ["worker 1: ask: no"])
        self.primary.result = Deferred()
        self.carryOut(Kind.FLOOD, Kind.KILL)
        self.primary.result.errback(OrderFailed("gone"))
        self.assertEqual(len(self.course.unexplained), 1)

    def test_messagesLost(self) -> None:
        """
        What the primary says of a flood is counted.
        """
        self.primary.result = succeed(3)
        self.carryOut(Kind.FLOOD)
        self.assertEqual(self.course.messagesLost, 3)

    def test_error(self) -> None:
        """
        Errors are counted.
        """
        self.happened("error", 1, error="EPIPE")
        self.assertEqual(self.course.errors, ["worker 1: EPIPE"])

    def test_lastPort(self) -> None:
        """
        No worker closes its port while no other is going to keep it.
        """
        self.start(3)
        self.primary.result = Deferred()
        self.carryOut(Kind.ROLL)
        self.course.killedAt.clear()
        self.exited(3, 0)
        self.happened("fork", 4, pid=0)
        running = Deferred.fromCoroutine(
            self.course.run([Fault(Kind.RELISTEN, 0.0, 1.0, 0.0)], lambda: False)
        )
        self.assertNoResult(running)
        self.happened("listening", 4)
        self.clock.advance(0.02)
        self.assertEqual(self.primary.orders, [("roll", 1), ("ask", 2)])

    def test_settle(self) -> None:
        """
        It is over when nothing is under way, and all workers are there.
        """
        self.start(3)
        self.primary.result = Deferred()
        self.carryOut(Kind.EXHAUST)
        settling = Deferred.fromCoroutine(self.course.settle())
        self.clock.advance(0.02)
        self.primary.result.callback(None)
        self.clock.advance(0.02)
        self.assertNoResult(settling)
        self.exited(3, 0)
        self.clock.advance(0.02)
        self.successResultOf(settling)

    def test_primaryEnds(self) -> None:
        """
        Without a primary it cannot go on.
        """
        self.primary.ended.callback(None)
        waiting = Deferred.fromCoroutine(self.course.until(lambda: False, "never"))
        self.failureResultOf(waiting, SoakFailed)

    def test_clientEnds(self) -> None:
        """
        Nor without a load.
        """
        self.course.client = cast("Any", MemoryPrimary())
        waiting = Deferred.fromCoroutine(self.course.until(lambda: False, "never"))
        self.assertNoResult(waiting)
        assert self.course.client is not None
        self.course.client.ended.callback(None)
        self.clock.advance(0.02)
        self.failureResultOf(waiting, SoakFailed)
