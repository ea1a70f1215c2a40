"""
Tests of L{twisted_cluster._worker.leaving}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._worker.departures import HearingPrimary, ServingInSteps
from twisted_cluster._wire.channel import Channel
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.lanes import WINDOW
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._worker.leaving import PATIENCE, Leaving
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.testing.channels import (
    ChannelPump,
    MemoryBlockingChannel,
    connectedChannels,
)


class LeavingTests(SynchronousTestCase):
    """
    Tests of L{Leaving}.
    """

    def setUp(self) -> None:
        """
        Make a worker that is able to leave.
        """
        self.stops: list[str] = []
        self.primary = HearingPrimary()
        self.primary.listen()
        self.link = PrimaryLink(
            # The two know each other.
            JSONCodec(),
            lambda: None,
            lambda: self.leaving.channelLost(),  # noqa: PLW0108
        )
        query = QueryClient(MemoryBlockingChannel(Channel()))
        self.ports = PrimaryPorts(query, TakingLink())
        self.leaving = Leaving(self.ports, self.link, lambda: self.stops.append("stop"))
        self.serving = ServingInSteps()
        self.pump = connectedChannels(self.primary, self.link)

    def test_order(self) -> None:
        """
        It closes its ports, finishes with its clients, tells the primary, closes
        the channel when all that it said is heard, and stops when nothing keeps
        it any more.
        """
        left = self.leaving.leave(self.serving)
        self.assertTrue(self.leaving.begun)
        self.assertTrue(self.ports.leaving)
        self.assertEqual(list(self.serving.waitedFor), ["ports"])
        self.serving.over("ports")
        self.assertEqual(list(self.serving.waitedFor), ["ports", "served"])
        self.link.sendMessage("good bye")
        self.pump.flush()
        self.assertTrue(self.link.connected)
        self.serving.over("served")
        self.link.sendMessage("for ever")
        self.assertNoResult(left)
        self.pump.flush()
        self.assertEqual(
            self.primary.heard, ["good bye", "leaving", "for ever", "last words"]
        )
        self.successResultOf(left)
        self.assertFalse(self.primary.connected)
        self.assertEqual(self.stops, [])
        self.serving.over("idle")
        self.assertEqual(self.stops, ["stop"])

    def test_hearsTheRest(self) -> None:
        """
        What the primary said before it knew is heard first, however much it is, and
        confirmed; what it says after that fails.
        """
        heard: list[object] = []
        self.link.receiveMessages(lambda message, _: heard.append(message))
        large = "x" * (3 * WINDOW)
        before = [self.primary.sendMessage(large), self.primary.sendMessage("small")]
        left = self.leaving.leave(self.serving)
        self.serving.over("ports")
        self.serving.over("served")
        while "leaving" not in self.primary.heard:
            self.assertTrue(self.pump.step())
        after = self.primary.sendMessage("late")
        self.failureResultOf(after, ChannelClosed)
        self.failureResultOf(self.primary.ask("late"), ChannelClosed)
        self.pump.flush()
        self.successResultOf(left)
        self.assertEqual(heard, [large, "small"])
        for each in before:
            self.successResultOf(each)

    def test_hearsNothing(self) -> None:
        """
        Messages that nobody receives are not waited for.
        """
        sent = self.primary.sendMessage("x" * (3 * WINDOW))
        left = self.leaving.leave(self.serving)
        self.serving.over("ports")
        self.serving.over("served")
        self.pump.flush()
        self.successResultOf(left)
        self.failureResultOf(sent, ChannelClosed)

    def test_answers(self) -> None:
        """
        It goes when the questions that the primary asked have their answers, and the
        primary has them.
        """
        answer: Deferred[str] = Deferred()
        self.link.answerQuestions(lambda question: answer)
        answered = self.primary.ask("x" * (3 * WINDOW))
        left = self.leaving.leave(self.serving)
        self.serving.over("ports")
        self.serving.over("served")
        self.pump.flush()
        self.assertNoResult(left)
        answer.callback("y" * (3 * WINDOW))
        self.pump.flush()
        self.successResultOf(left)
        self.assertEqual(self.successResultOf(answered), "y" * (3 * WINDOW))

    def test_noAnswer(self) -> None:
        """
        It does not wait for an answer for ever: the application may be waiting for
        the end.
        """
        clock = self.leaving.clock = Clock()
        self.link.answerQuestions(lambda question: self.leaving.leave(self.serving))
        answered = self.primary.ask("Are you gone?")
        self.pump.flush()
        self.serving.over("ports")
        self.serving.over("served")
        self.pump.flush()
        with capturedLogs() as events:
            clock.advance(PATIENCE)
        self.assertIn("no answer", events[0]["log_format"])
        self.pump.flush()
        self.assertFalse(self.primary.connected)
        self.failureResultOf(answered, ChannelClosed)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_givenUp(self) -> None:
        """
        Nor for one that nobody waits for any more.
        """
        self.link.answerQuestions(lambda question: Deferred())
        answered = self.primary.ask("Are you gone?")
        answered.addErrback(lambda failure: failure.trap(CancelledError))
        self.pump.flush()
        answered.cancel()
        left = self.leaving.leave(self.serving)
        self.serving.over("ports")
        self.serving.over("served")
        self.pump.flush()
        self.successResultOf(left)

    def test_unheard(self) -> None:
        """
        It does not wait for a primary where nobody receives its messages; they are
        not delivered, as far as it knows.
        """
        deaf = HearingPrimary()
        self.link = PrimaryLink(
            # The two know each other.
            JSONCodec(),
            lambda: None,
            lambda: self.leaving.channelLost(),  # noqa: PLW0108
        )
        self.leaving = Leaving(self.ports, self.link, lambda: self.stops.append("stop"))
        pump = connectedChannels(deaf, self.link)
        sent = self.link.sendMessage("hear me")
        left = self.leaving.leave(self.serving)
        self.assertFalse(self.link.isHeard)
        self.serving.over("ports")
        self.serving.over("served")
        pump.flush()
        self.successResultOf(left)
        self.failureResultOf(sent, ChannelClosed)
        self.assertTrue(self.link.isHeard)
        self.assertEqual(deaf.heard, ["leaving", "last words"])

    def leaveWithout(self, primary: HearingPrimary) -> ChannelPump:
        """
        Have the worker leave a primary that is stuck.
        """
        self.clock = Clock()
        self.link = PrimaryLink(
            JSONCodec(),
            lambda: None,
            lambda: self.leaving.channelLost(),  # noqa: PLW0108
        )
        self.leaving = Leaving(self.ports, self.link, lambda: self.stops.append("stop"))
        self.leaving.clock = self.clock
        return connectedChannels(primary, self.link)

    def test_stuck(self) -> None:
        """
        It does not wait for ever for a primary that does nothing at all.
        """
        for _ in range(2):
            self.serving = ServingInSteps()
            pump = self.leaveWithout(HearingPrimary())
            sent = self.link.sendMessage("hear me")
            self.leaving.leave(self.serving)
            self.serving.over("ports")
            self.serving.over("served")
            with capturedLogs() as events:
                self.clock.advance(PATIENCE - 1)
                self.assertNotIn("idle", self.serving.waitedFor)
                self.clock.advance(1)
            self.assertEqual(len(events), 1)
            self.serving.over("idle")
            self.assertEqual(self.clock.getDelayedCalls(), [])
            pump.lose()
            self.failureResultOf(sent, ChannelClosed)
        self.assertEqual(self.stops, ["stop"] * 2)

    def test_slow(self) -> None:
        """
        It waits for one that takes its messages, however long that takes.
        """
        primary = HearingPrimary()
        primary.listen()
        pump = self.leaveWithout(primary)
        message = "x" * 20_000_000
        self.link.sendMessage(message)
        self.leaving.leave(self.serving)
        self.serving.over("ports")
        self.serving.over("served")
        with capturedLogs() as events:
            while self.link.unconfirmed > WINDOW:
                before = self.link.unconfirmed
                while self.link.unconfirmed == before:
                    self.assertTrue(pump.step())
                self.clock.advance(PATIENCE)
        pump.flush()
        self.assertEqual(events, [])
        self.assertIn(message, primary.heard)
        self.assertFalse(primary.connected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_twice(self) -> None:
        """
        Asked twice, it goes once; both learn when the channel is closed.
        """
        first = self.leaving.leave(self.serving)
        second = self.leaving.leave(self.serving)
        for step in ("ports", "served"):
            self.serving.over(step)
        self.pump.flush()
        self.successResultOf(first)
        self.successResultOf(second)
        self.serving.over("idle")
        self.assertEqual(self.stops, ["stop"])

    def test_lost(self) -> None:
        """
        A channel that is lost meanwhile is one that is closed: it finishes with
        its clients, and stops.  What was not delivered failed with its own
        Deferred, and nothing is logged.
        """
        with capturedLogs() as events:
            sent = self.link.sendMessage("lost")
            left = self.leaving.leave(self.serving)
            self.pump.lose()
            self.failureResultOf(sent, ChannelClosed)
            self.successResultOf(left)
            for step in ("ports", "served", "idle"):
                self.assertEqual(self.stops, [])
                self.serving.over(step)
        self.assertEqual(self.stops, ["stop"])
        self.assertEqual(events, [])

    def test_lostAtTheEnd(self) -> None:
        """
        The same if it is lost when only the last words were missing.
        """
        sent = self.link.sendMessage("lost")
        self.leaving.leave(self.serving)
        self.serving.over("ports")
        self.serving.over("served")
        self.pump.lose()
        self.failureResultOf(sent, ChannelClosed)
        self.serving.over("idle")
        self.assertEqual(self.stops, ["stop"])

    def test_failure(self) -> None:
        """
        A mistake on the way is logged.
        """
        with capturedLogs() as events:
            self.leaving.leave(self.serving)
            self.serving.waitedFor["ports"].errback(ZeroDivisionError())
        [event] = events
        self.assertEqual(event["log_format"], "could not leave in order")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_hurry(self) -> None:
        """
        In a hurry it waits for its messages, but not for its clients.
        """
        self.link.sendMessage("quick")
        self.leaving.hurry()
        self.assertTrue(self.leaving.begun)
        self.assertTrue(self.ports.leaving)
        self.pump.flush()
        self.assertEqual(self.primary.heard, ["quick", "leaving", "last words"])
        self.assertFalse(self.primary.connected)
        self.assertEqual(self.stops, ["stop"])
        self.assertEqual(self.serving.waitedFor, {})

    def test_hurryAfterAll(self) -> None:
        """
        One that leaves can still be hurried.
        """
        left = self.leaving.leave(self.serving)
        self.leaving.hurry()
        self.pump.flush()
        self.successResultOf(left)
        self.assertEqual(self.stops, ["stop"])

    def test_hurryAlone(self) -> None:
        """
        Without a channel there is nobody to wait for.
        """
        self.pump.lose()
        self.leaving.hurry()
        self.assertEqual(self.stops, ["stop"])

    def test_hurryFailing(self) -> None:
        """
        A mistake in a hurry is logged.
        """

        def fail() -> None:
            raise ZeroDivisionError

        self.leaving = Leaving(self.ports, self.link, fail)
        self.pump.lose()
        self.leaving.channelLost()
        with capturedLogs() as events:
            self.leaving.hurry()
        [event] = events
        self.assertEqual(event["log_format"], "could not leave in order")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
