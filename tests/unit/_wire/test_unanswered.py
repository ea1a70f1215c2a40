"""
Tests of L{twisted_cluster._wire.unanswered}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
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

    def ask(self, size: int) -> Deferred[None]:
        """
        Give the application a question.

        @return: To be fired when its answer is sent.
        """
        answered: Deferred[None] = Deferred()
        self.unanswered.until(answered, size)
        return answered

    def test_limit(self) -> None:
        """
        There is room up to the limit, where each question weighs something.
        """
        self.assertTrue(self.unanswered.hasRoom)
        self.ask(UNANSWERED_LIMIT - 2 * QUESTION - 1)
        self.assertTrue(self.unanswered.hasRoom)
        self.ask(0)
        self.assertTrue(self.unanswered.hasRoom)
        self.ask(0)
        self.assertFalse(self.unanswered.hasRoom)

    def test_givenUp(self) -> None:
        """
        Nobody waits for what was given up, which still takes its room until it is
        answered.
        """
        answers: list[Deferred[None]] = [Deferred(), Deferred()]
        sizes = (UNANSWERED_LIMIT, 1)
        first, second = map(self.unanswered.until, answers, sizes)
        waiting = self.unanswered.whenNone()
        first()
        first()
        self.assertNoResult(waiting)
        second()
        self.successResultOf(waiting)
        self.assertFalse(self.unanswered.hasRoom)
        answers[0].callback(None)
        self.assertTrue(self.unanswered.hasRoom)
        self.successResultOf(self.unanswered.whenNone())

    def test_answered(self) -> None:
        """
        An answer makes room; who waits until there are none is told by the last one.
        """
        self.successResultOf(self.unanswered.whenNone())
        first, second = self.ask(UNANSWERED_LIMIT), self.ask(UNANSWERED_LIMIT)
        waiting = [self.unanswered.whenNone() for _ in range(2)]
        first.callback(None)
        self.assertFalse(self.unanswered.hasRoom)
        for each in waiting:
            self.assertNoResult(each)
        second.callback(None)
        self.assertTrue(self.unanswered.hasRoom)
        for each in waiting:
            self.successResultOf(each)
        third = self.ask(1)
        self.assertNoResult(self.unanswered.whenNone())
        third.callback(None)
