"""
Tests of L{twisted_cluster._wire.delivery}.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._wire.delivery import Delivery, Unheeded
from twisted_cluster.errors import ChannelClosed, HandleRefused


class DeliveryTests(SynchronousTestCase):
    """
    Tests of L{Delivery}.
    """

    def setUp(self) -> None:
        """
        Nothing was told yet.
        """
        self.unheeded = Unheeded("worker 3")

    def delivery(self) -> Delivery:
        """
        A message's.
        """
        made = Delivery()
        made.unheeded = self.unheeded
        return made

    def logged(self, *outcomes: Any) -> list[str]:
        """
        What is logged when messages have these outcomes, and nobody handles them.
        """
        with capturedLogs() as events:
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    self.delivery().errback(outcome)
                else:
                    self.delivery().callback(outcome)
            gc.collect()
        self.assertEqual({event["log_level"] for event in events}, {LogLevel.warn})
        return [str(formatEvent(event)) for event in events]

    def test_unheeded(self) -> None:
        """
        Of any number of messages that were not delivered one line tells, for each
        reason.
        """
        logged = self.logged(
            *[ChannelClosed("gone")] * 10, None, *[HandleRefused("no room")] * 10
        )
        self.assertEqual(
            logged,
            [
                "not every message to worker 3 was delivered: gone",
                "not every message to worker 3 was delivered: no room",
            ],
        )

    def test_asDeferred(self) -> None:
        """
        It is a Deferred as any other: it can have callbacks before and after it
        fired, be paused, and be cancelled.
        """
        delivery = self.delivery()
        self.assertFalse(delivery.heeded)
        results: list[object] = []
        delivery.addCallback(results.append)
        self.assertTrue(delivery.heeded)
        delivery.callback(None)
        delivery.addCallback(results.append)
        self.assertEqual(results, [None, None])

        paused = self.delivery()
        paused.pause()
        paused.addCallback(results.append)
        paused.callback(None)
        self.assertEqual(len(results), 2)
        paused.unpause()
        self.assertEqual(len(results), 3)

        cancelled = self.delivery()
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        # The message is delivered all the same, and nobody is told.
        cancelled.callback(None)

    def test_handled(self) -> None:
        """
        Whoever handles it has handled it: by an errback, by waiting, or by making
        something else wait.
        """

        async def wait(delivery: Delivery) -> None:
            with self.assertRaises(ChannelClosed):
                await delivery

        with capturedLogs() as events:
            handled = self.delivery()
            handled.addErrback(lambda _: None)
            awaited = self.delivery()
            waiting = ensureDeferred(wait(awaited))
            chained = self.delivery()
            other: Deferred[None] = Deferred()
            other.addErrback(lambda _: None)
            chained.chainDeferred(other)
            for delivery in (handled, awaited, chained):
                delivery.errback(ChannelClosed("gone"))
            del handled, awaited, chained, delivery
            gc.collect()
            self.successResultOf(waiting)
            self.delivery()
            gc.collect()
        self.assertEqual(events, [])

    def test_mistake(self) -> None:
        """
        What somebody's callback raises is a mistake, as ever.
        """

        def fail(_: object) -> None:
            raise ZeroDivisionError

        delivery = self.delivery()
        delivery.addCallback(fail)
        delivery.callback(None)
        del delivery
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
