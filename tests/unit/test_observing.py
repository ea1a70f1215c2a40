"""
Tests of L{twisted_cluster.observing}.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster.errors import ClusterStopping, ConfigurationError, WorkerLost
from twisted_cluster.observing import Emitter, Observers, Occasion


class EmitterTests(SynchronousTestCase):
    """
    Tests of L{Emitter}.
    """

    def setUp(self) -> None:
        """
        Make one with two events.
        """
        self.emitter = Emitter(("exit", "online"))
        self.told: list[object] = []

    def telling(self, name: str) -> Callable[..., None]:
        """
        An observer with a name.
        """

        def observer(*what: object) -> None:
            self.told.append((name, *what))

        return observer

    def test_on(self) -> None:
        """
        Observers are told each time, in their order, what there is to know.
        """
        self.emitter.on("exit", self.telling("first"))
        self.emitter.on("exit", self.telling("second"))
        self.emitter.emit("exit", 1, None)
        self.emitter.emit("online")
        self.emitter.emit("exit")
        self.assertEqual(
            self.told,
            [("first", 1, None), ("second", 1, None), ("first",), ("second",)],
        )

    def test_once(self) -> None:
        """
        Or only the next time.
        """
        self.emitter.once("exit", self.telling("once"))
        self.emitter.emit("exit")
        self.emitter.emit("exit")
        self.assertEqual(self.told, [("once",)])

    def test_onceAndAgain(self) -> None:
        """
        Also if what an earlier observer does makes it happen again meanwhile.
        """

        def again() -> None:
            self.told.append("again")
            if len(self.told) == 1:
                self.emitter.emit("exit")

        self.emitter.on("exit", again)
        self.emitter.once("exit", self.telling("once"))
        self.emitter.emit("exit")
        self.assertEqual(self.told, ["again", "again", ("once",)])

    def test_notCallable(self) -> None:
        """
        What cannot be called observes nothing.
        """
        nothing: Any = None
        for observe in (self.emitter.on, self.emitter.once):
            problem = self.assertRaises(ConfigurationError, observe, "exit", nothing)
            self.assertIn("'exit'", str(problem))
        self.assertFalse(self.emitter.isObserved("exit"))

    def test_returned(self) -> None:
        """
        The observer is returned, so that one that has no name can be taken off.
        """
        for add in (self.emitter.on, self.emitter.once):
            observer = add("exit", lambda: self.told.append("lambda"))
            self.emitter.off("exit", observer)
        self.emitter.emit("exit")
        self.assertEqual(self.told, [])

    def test_method(self) -> None:
        """
        A method of an object is the same observer each time that it is asked
        for.
        """
        self.emitter.on("exit", self.told.append)
        self.emitter.off("exit", self.told.append)
        self.emitter.emit("exit", 1)
        self.assertEqual(self.told, [])

    def test_offOnce(self) -> None:
        """
        An observer that was added twice is told twice, and is taken off once at
        a time, the earliest first; one that is not there is no mistake.
        """
        observer, other = self.telling("twice"), self.telling("other")
        self.emitter.on("exit", other)
        self.emitter.once("exit", observer)
        self.emitter.on("exit", observer)
        self.emitter.off("exit", observer)
        self.emitter.emit("exit")
        self.emitter.emit("exit")
        self.assertEqual(self.told, [("other",), ("twice",)] * 2)
        self.emitter.off("exit", observer)
        self.emitter.off("exit", observer)
        self.emitter.emit("exit")
        self.assertEqual(self.told[4:], [("other",)])

    def test_addedMeanwhile(self) -> None:
        """
        One that is added while others are told is told the next time.
        """
        self.emitter.once("exit", lambda: self.emitter.on("exit", self.telling("late")))
        self.emitter.emit("exit")
        self.assertEqual(self.told, [])
        self.emitter.emit("exit")
        self.assertEqual(self.told, [("late",)])

    def test_failing(self) -> None:
        """
        One that fails is logged, and harms no other.
        """

        def failing() -> None:
            raise ValueError("a mistake")

        self.emitter.on("exit", failing)
        self.emitter.on("exit", self.telling("second"))
        self.emitter.emit("exit")
        self.assertEqual(self.told, [("second",)])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_failingOtherwise(self) -> None:
        """
        So is one that raises what is no C{Exception}; but who wants the program to
        end is not stopped.
        """
        for kind in (asyncio.CancelledError, GeneratorExit):
            self.told.clear()
            self.emitter.once("exit", raising(kind))
            self.emitter.once("exit", self.telling("second"))
            self.emitter.emit("exit")
            self.assertEqual(self.told, [("second",)])
            self.assertEqual(len(self.flushLoggedErrors(kind)), 1)
        for wanted in (SystemExit, KeyboardInterrupt):
            self.emitter.once("exit", raising(wanted))
            self.assertRaises(wanted, self.emitter.emit, "exit")

    def test_coroutine(self) -> None:
        """
        One can be a coroutine function; what it raises is logged.
        """
        ready: Deferred[None] = Deferred()

        async def observer(number: int) -> None:
            await ready
            self.told.append(("later", number))
            raise ValueError("a mistake")

        self.emitter.on("exit", observer)
        self.emitter.on("exit", self.telling("second"))
        self.emitter.emit("exit", 1)
        self.assertEqual(self.told, [("second", 1)])
        ready.callback(None)
        self.assertEqual(self.told, [("second", 1), ("later", 1)])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_when(self) -> None:
        """
        Whoever waits for an event is told of the next one, and of no other; who has
        given up is not.
        """
        first, given = self.emitter.when("exit"), self.emitter.when("exit")
        given.addErrback(lambda failure: failure.trap(CancelledError))
        given.cancel()
        self.emitter.emit("online")
        self.assertNoResult(first)
        self.emitter.emit("exit", 1, None)
        self.assertEqual(self.successResultOf(first), (1, None))
        second = self.emitter.when("exit")
        self.assertNoResult(second)
        self.emitter.emit("exit", 2, None)
        self.assertEqual(self.successResultOf(second), (2, None))
        self.assertFalse(self.emitter.isObserved("exit"))
        self.assertRaises(ConfigurationError, self.emitter.when, "exited")

    def test_whenNoMore(self) -> None:
        """
        It fails if nothing happens any more, now or from then on; what was told stays
        told.
        """
        told, waiting = self.emitter.when("online"), self.emitter.when("exit")
        self.emitter.emit("online")
        self.emitter.happenNoMore(WorkerLost("gone"))
        self.assertEqual(self.successResultOf(told), ())
        self.failureResultOf(waiting, WorkerLost)
        self.failureResultOf(self.emitter.when("exit"), WorkerLost)
        self.assertRaises(ConfigurationError, self.emitter.when, "exited")

    def test_whenToldAtOnce(self) -> None:
        """
        What has waited for an observer is told at once; that Deferred is not told a
        second time when nothing happens any more.
        """

        class Waiting(Emitter):
            def _observersChanged(self, name: str) -> None:
                self.emit(name, "waited")

        emitter = Waiting(["message"])
        told = emitter.when("message")
        emitter.happenNoMore(WorkerLost("gone"))
        self.assertEqual(self.successResultOf(told), ("waited",))

    def test_stopping(self) -> None:
        """
        One that would do something new while everything ends is cut short, and
        that is not worth a word.
        """

        def forking() -> None:
            raise ClusterStopping("the reactor is stopping")

        self.emitter.on("exit", forking)
        self.emitter.on("exit", self.telling("second"))
        with capturedLogs() as events:
            self.emitter.emit("exit")
        self.assertEqual((self.told, events), ([("second",)], []))

    def test_isObserved(self) -> None:
        """
        It is known whether there is anybody to tell.
        """
        self.assertFalse(self.emitter.isObserved("exit"))
        self.emitter.once("exit", self.telling("once"))
        self.assertTrue(self.emitter.isObserved("exit"))
        self.assertFalse(self.emitter.isObserved("online"))
        self.emitter.emit("exit")
        self.assertFalse(self.emitter.isObserved("exit"))

    def test_unknown(self) -> None:
        """
        An event that there is not is a mistake at once, whatever is wanted of
        it; the message says which there are.
        """
        observer = self.telling("never")
        for mistake in (
            lambda: self.emitter.on("exited", observer),
            lambda: self.emitter.once("exited", observer),
            lambda: self.emitter.off("exited", observer),
            lambda: self.emitter.isObserved("exited"),
            lambda: self.emitter.emit("exited"),
        ):
            problem = self.assertRaises(ConfigurationError, mistake)
            self.assertEqual(
                str(problem), "there is no event 'exited'; there are exit, online"
            )


def raising(kind: type[BaseException]) -> Callable[..., NoReturn]:
    """
    An observer that raises this.
    """

    def observer(*what: object) -> NoReturn:
        raise kind

    return observer


class Watcher:
    """
    Has a method for each thing that can happen.
    """

    def __init__(self, told: list[object]) -> None:
        self.told = told

    def told_(self, what: object) -> None:
        """
        Keep it.
        """
        self.told.append(what)

    async def later(self, what: object) -> None:
        """
        Fail, as a coroutine does.
        """
        raise ValueError(what)

    def cancelled(self, what: object) -> None:
        """
        Raise what is no C{Exception}.
        """
        raise asyncio.CancelledError

    def stopped(self, what: object) -> None:
        """
        Start something while everything ends.
        """
        raise ClusterStopping("the reactor is stopping")

    def ended(self, what: object) -> None:
        """
        Want the program to end.
        """
        raise SystemExit


class ObserversTests(SynchronousTestCase):
    """
    Tests of L{Observers}.
    """

    def setUp(self) -> None:
        """
        Make two that observe.
        """
        self.observers: Observers[Watcher] = Observers()
        self.told: list[object] = []
        self.watchers = [Watcher(self.told) for _ in range(2)]
        for watcher in self.watchers:
            self.observers.add(watcher)

    def test_tell(self) -> None:
        """
        Everyone is told, until taken off; one that is not there is no mistake.
        """
        self.observers.tell("told_", 1)
        self.observers.remove(self.watchers[0])
        self.observers.remove(self.watchers[0])
        self.observers.tell("told_", 2)
        self.assertEqual(self.told, [1, 1, 2])

    def test_failing(self) -> None:
        """
        What one raises, in whatever way, is logged and harms nobody; that it is too
        late for something new is not worth a word.
        """
        for happening, kind in (
            ("later", ValueError),
            ("cancelled", asyncio.CancelledError),
            ("missing", AttributeError),
        ):
            self.observers.tell(happening, 1)
            self.assertEqual(len(self.flushLoggedErrors(kind)), 2)
        with capturedLogs() as events:
            self.observers.tell("stopped", 1)
        self.assertEqual(events, [])
        self.assertRaises(SystemExit, self.observers.tell, "ended", 1)


class OccasionTests(SynchronousTestCase):
    """
    Tests of L{Occasion}.
    """

    def setUp(self) -> None:
        """
        Make one that is to come.
        """
        self.occasion: Occasion[int] = Occasion()

    def keep(self, told: list[tuple[str, int]], name: str, value: int) -> None:
        """
        Somebody is told.
        """
        told.append((name, value))

    def test_before(self) -> None:
        """
        Those who asked before are told when it happens, in their order.
        """
        told: list[tuple[str, int]] = []
        for name in ("first", "second"):
            self.occasion.when().addCallback(partial(self.keep, told, name))
        self.assertFalse(self.occasion.isOver)
        self.assertEqual(told, [])
        self.occasion.happened(5)
        self.assertEqual(told, [("first", 5), ("second", 5)])
        self.assertTrue(self.occasion.isOver)

    def test_after(self) -> None:
        """
        Those who ask after it are told at once, also that it was C{None}.
        """
        self.occasion.happened(5)
        self.assertEqual(self.successResultOf(self.occasion.when()), 5)
        nothing: Occasion[None] = Occasion()
        nothing.happened(None)
        self.assertIsNone(self.successResultOf(nothing.when()))

    def test_own(self) -> None:
        """
        Each Deferred is its owner's: what one makes of the value no other sees.
        """
        first, second = self.occasion.when(), self.occasion.when()
        first.addCallback(lambda value: value + 1)
        self.occasion.happened(5)
        self.assertEqual(
            (self.successResultOf(first), self.successResultOf(second)), (6, 5)
        )

    def test_never(self) -> None:
        """
        If it never will, those who asked before and those who ask after are
        told so; if nobody asks, nothing is logged.
        """
        before = self.occasion.when()
        self.occasion.willNeverHappen(WorkerLost("gone"))
        after = self.occasion.when()
        for deferred in (before, after):
            self.assertEqual(
                str(self.failureResultOf(deferred, WorkerLost).value), "gone"
            )
        self.assertTrue(self.occasion.isOver)
        Occasion[int]().willNeverHappen(WorkerLost("gone"))

    def test_first(self) -> None:
        """
        Only the first outcome counts.
        """
        self.occasion.happened(1)
        self.occasion.happened(2)
        self.occasion.willNeverHappen(WorkerLost("gone"))
        self.assertEqual(self.successResultOf(self.occasion.when()), 1)
        never: Occasion[int] = Occasion()
        never.willNeverHappen(WorkerLost("gone"))
        never.happened(1)
        self.failureResultOf(never.when(), WorkerLost)

    def test_cancelled(self) -> None:
        """
        Who waits no longer is not told; the others are.
        """
        given, other = self.occasion.when(), self.occasion.when()
        given.cancel()
        self.failureResultOf(given, CancelledError)
        self.occasion.happened(5)
        self.assertEqual(self.successResultOf(other), 5)

    def test_cancelledWhileTold(self) -> None:
        """
        So it is if the one is cancelled because of what the other was told.
        """
        first, second = self.occasion.when(), self.occasion.when()
        first.addCallback(lambda value: second.cancel())
        self.occasion.happened(5)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_askedWhileTold(self) -> None:
        """
        Who asks because of what it was told is told at once.
        """
        seen: list[int] = []
        waiting: list[Deferred[int]] = [self.occasion.when(), self.occasion.when()]

        def again(value: int) -> None:
            self.occasion.when().addCallback(seen.append)

        waiting[0].addCallback(again)
        self.occasion.happened(5)
        self.assertEqual(seen, [5])
        self.assertEqual(self.successResultOf(waiting[1]), 5)
