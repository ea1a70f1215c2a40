"""
Tests of L{twisted_cluster._wire.unanswered}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._wire.unanswered import QUESTION, UNANSWERED_LIMIT, Unanswered


class UnansweredTests(SynchronousTestCase):
    """
    Tests of L{Unanswered}.
    """

    def setUp(self) -> None:
        """
        Nothing was asked.
        """
        self.unanswered = Unanswered()

    def ask(self, size: int) -> Deferred[str]:
        """
        Give the application a question.
        """
        answered: Deferred[str] = Deferred()
        self.assertIs(self.unanswered.until(answered, size), answered)
        return answered

    def test_limit(self) -> None:
        """
        There is room up to the limit, where each question weighs something.
        """
        self.ask(UNANSWERED_LIMIT - 2 * QUESTION - 10)
        self.assertTrue(self.unanswered.hasRoom(10))
        self.assertFalse(self.unanswered.hasRoom(11))
        self.ask(10)
        self.assertFalse(self.unanswered.hasRoom(0))

    def test_alone(self) -> None:
        """
        One question alone may be of any size.
        """
        self.assertTrue(self.unanswered.hasRoom(2 * UNANSWERED_LIMIT))
        self.ask(0)
        self.assertFalse(self.unanswered.hasRoom(2 * UNANSWERED_LIMIT))

    def test_answered(self) -> None:
        """
        An answer makes room, and so does a failure; who waits for them gets them.
        """
        first, second = self.ask(UNANSWERED_LIMIT), self.ask(UNANSWERED_LIMIT)
        first.callback("answer")
        self.assertFalse(self.unanswered.hasRoom(0))
        second.errback(Failure(ZeroDivisionError()))
        self.assertTrue(self.unanswered.hasRoom(2 * UNANSWERED_LIMIT))
        self.assertEqual(self.successResultOf(first), "answer")
        self.failureResultOf(second, ZeroDivisionError)
