"""
Tests of L{twisted_cluster._wire.questions}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.unit._wire.messagingends import LARGE, MessagingCase
from twisted_cluster._wire import unanswered
from twisted_cluster._wire.lanes import WINDOW
from twisted_cluster._wire.unanswered import QUESTION
from twisted_cluster.errors import AnswerFailed, ChannelClosed


class QuestionTests(MessagingCase):
    """
    Tests for questions.
    """

    def test_answered(self) -> None:
        """
        Each question has its own answer, large ones too, and in any order.
        """
        waiting: list[Deferred[bytes]] = [Deferred(), Deferred()]
        answers = list(waiting)
        self.far.answerQuestions(lambda question: answers.pop(0))
        one, two = self.near.ask(b"one"), self.near.ask(b"2" * LARGE)
        self.pump.flush()
        waiting[1].callback(b"second" * LARGE)
        waiting[0].callback(b"first")
        self.pump.flush()
        self.assertEqual(self.successResultOf(one), b"first")
        self.assertEqual(self.successResultOf(two), b"second" * LARGE)

    def test_manyAtOnce(self) -> None:
        """
        Both sides can ask at once, hundreds of times.
        """
        self.far.answerQuestions(lambda question: b"far " + question)
        self.near.answerQuestions(lambda question: b"near " + question)
        asked = [self.near.ask(b"%d" % n) for n in range(500)]
        asked += [self.far.ask(b"%d" % n) for n in range(500)]
        self.pump.flush()
        expected = [b"far %d" % n for n in range(500)]
        expected += [b"near %d" % n for n in range(500)]
        self.assertEqual(self.outcomes(*asked), expected)

    def test_coroutine(self) -> None:
        """
        The answerer may be a coroutine function.
        """

        async def answer(question: bytes) -> bytes:
            return b"yes"

        self.far.answerQuestions(answer)
        asked = self.near.ask(b"!?")
        self.pump.flush()
        self.assertEqual(self.successResultOf(asked), b"yes")

    def test_afterMessages(self) -> None:
        """
        A question does not overtake the messages before it.
        """
        self.far.listen()
        self.far.answerQuestions(lambda question: b"%d" % len(self.far.received))
        for _ in range(10):
            self.near.sendMessage(b"x")
        asked = self.near.ask(b"how many?")
        self.pump.flush()
        self.assertEqual(self.successResultOf(asked), b"10")

    def test_nobodyReceives(self) -> None:
        """
        Questions and answers pass messages that nobody receives, even a window
        full of them.
        """
        self.far.sendMessage(b"x" * 4 * WINDOW).addErrback(lambda _: None)
        self.near.sendMessage(b"x" * 4 * WINDOW).addErrback(lambda _: None)
        self.far.answerQuestions(lambda question: b"here")
        asked = self.near.ask(b"where?")
        self.pump.flush()
        self.assertEqual(self.successResultOf(asked), b"here")
        self.pump.lose()

    def failureOf(self, answerer: Any) -> Failure:
        """
        How a question fails with this answerer.
        """
        if answerer is not None:
            self.far.answerQuestions(answerer)
        asked = self.near.ask(b"x")
        self.pump.flush()
        failure: Failure = self.failureResultOf(asked, AnswerFailed)
        return failure

    def test_nobodyAnswers(self) -> None:
        """
        Without an answerer a question fails, and says so.
        """
        self.assertIn("nobody", self.failureOf(None).getErrorMessage())

    def test_answererRaises(self) -> None:
        """
        What an answerer raises is told to who asked, and logged.
        """
        failure = self.failureOf(lambda question: 1 // 0)
        self.assertIn("ZeroDivisionError: ", failure.getErrorMessage())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_answererDeclines(self) -> None:
        """
        An L{AnswerFailed} is passed on as it is, and nothing is logged.
        """

        def decline(question: bytes) -> bytes:
            raise AnswerFailed("not today")

        self.assertEqual(self.failureOf(decline).getErrorMessage(), "not today")

    def test_notEncodable(self) -> None:
        """
        An answer that cannot be encoded is a failure too.
        """
        failure = self.failureOf(lambda question: "text")
        self.assertIn("only bytes", failure.getErrorMessage())
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_notDecodable(self) -> None:
        """
        So is one that cannot be decoded.
        """
        failure = self.failureOf(lambda question: b"?")
        self.assertIn("decoded", failure.getErrorMessage())

    def test_late(self) -> None:
        """
        An answer that comes after the asker has given up is dropped.
        """
        clock = Clock()
        answers: list[Deferred[bytes]] = []

        def answer(question: bytes) -> Deferred[bytes]:
            answers.append(Deferred())
            return answers[-1]

        self.far.answerQuestions(answer)
        asked = self.near.ask(b"x")
        cancelled = self.near.ask(b"x")
        asked.addTimeout(1, clock)
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.pump.flush()
        clock.advance(2)
        self.failureResultOf(asked)
        for late in answers:
            late.callback(b"late")
        self.pump.flush()
        self.assertEqual(len(answers), 2)
        self.assertFalse(self.near.lost)
        self.assertEqual(self.near._dialogue._asked, {})

    def test_givenUp(self) -> None:
        """
        The other side need not stay for an answer that nobody waits for.
        """
        self.far.answerQuestions(lambda question: Deferred())
        asked = [self.near.ask(b"x") for _ in range(2)]
        self.pump.flush()
        answered = self.far.whenAnswered()
        for each in asked:
            self.assertNoResult(answered)
            each.cancel()
            self.failureResultOf(each, CancelledError)
            self.pump.flush()
        self.successResultOf(answered)
        self.assertEqual(self.far._dialogue._answering, {})

    def test_tooMany(self) -> None:
        """
        What has no answer yet has a bound: once that is reached, a question fails at
        once.  When one of the others is answered there is room again, for one of any
        size.
        """
        self.patch(unanswered, "UNANSWERED_LIMIT", 2 * QUESTION + 20)
        answers: list[Deferred[bytes]] = []

        def answer(question: bytes) -> Deferred[bytes]:
            answers.append(Deferred())
            return answers[-1]

        self.far.answerQuestions(answer)
        asked = [self.near.ask(b"x" * 10) for _ in range(3)]
        self.pump.flush()
        failure = self.failureResultOf(asked.pop(), AnswerFailed)
        self.assertIn("too many", failure.getErrorMessage())
        self.assertEqual(len(answers), 2)
        answers[0].callback(b"first")
        self.pump.flush()
        self.assertEqual(self.successResultOf(asked[0]), b"first")
        large = self.near.ask(b"x" * LARGE)
        self.pump.flush()
        self.assertNoResult(large)
        answers[1].errback(AnswerFailed("none"))
        answers[2].callback(b"large")
        self.pump.flush()
        self.failureResultOf(asked[1], AnswerFailed)
        self.assertEqual(self.successResultOf(large), b"large")

    def test_lost(self) -> None:
        """
        A question fails when the channel is lost; an answer that comes then has
        nowhere to go.
        """
        answer: Deferred[bytes] = Deferred()
        self.far.answerQuestions(lambda question: answer)
        asked = self.near.ask(b"x")
        self.pump.flush()
        self.pump.lose()
        self.failureResultOf(asked, ChannelClosed)
        answer.callback(b"late")

    def test_givenUpWhenLost(self) -> None:
        """
        When one fails because the channel is lost, another can be given up.
        """
        self.far.answerQuestions(lambda question: Deferred())
        one, two = self.near.ask(b"x"), self.near.ask(b"y")
        one.addErrback(lambda _: two.cancel())
        self.pump.flush()
        self.pump.lose()
        self.failureResultOf(two, CancelledError)
        self.assertIsNone(self.successResultOf(one))
