"""
Questions that the applications of a primary and a worker ask each other, and their
answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_cluster._wire.codec import Codec
from twisted_cluster._wire.lanes import Handle, LaneCommand, closeHandle
from twisted_cluster._wire.reserved import reserved
from twisted_cluster._wire.unanswered import Unanswered
from twisted_cluster.errors import AnswerFailed, ChannelClosed


class Questions(LaneCommand):
    """
    Questions and what became of them.  The low bits of a mark are the number
    that the asking side gave to the question, the high bits say which it is:
    a question, its answer, why there is none, in words, or that nobody waits for the
    answer any more.
    """

    commandName = reserved("Questions")


_KIND_SHIFT = 28
_NUMBER_LIMIT = 1 << _KIND_SHIFT
_QUESTION, _ANSWER, _NO_ANSWER, _GIVEN_UP = range(4)

Answerer = Callable[[Any], object]


class Dialogue:
    """
    What one side asks, and what it answers.

    @ivar answerer: Who answers the other side's questions.
    @ivar _send: Says something with its mark to the other side, or to nobody when
        the channel is lost.
    @ivar _unanswered: What the application has not answered yet.
    @ivar _asked: By its number, each question that was not answered yet.
    @ivar _answering: By its number, for each question of the other side's that was
        not answered yet, what is called when it is given up.
    """

    _log = Logger()

    def __init__(
        self,
        codec: Codec,
        send: Callable[[bytes, int], None],
        unanswered: Unanswered,
    ) -> None:
        self.answerer: Answerer | None = None
        self._codec = codec
        self._send = send
        self._unanswered = unanswered
        self._asked: dict[int, Deferred[Any]] = {}
        self._answering: dict[int, Callable[[], None]] = {}
        self._lastNumber = 0

    def ask(self, content: bytes) -> Deferred[Any]:
        """
        Ask a question, which is encoded already.

        @return: As L{MessagingChannel.ask} says.
        """
        number = self._lastNumber
        while True:
            number = (number + 1) % _NUMBER_LIMIT
            if number not in self._asked:
                break
        self._lastNumber = number
        answered: Deferred[Any] = Deferred(lambda _: self._forget(number))
        self._asked[number] = answered
        self._send(content, _QUESTION << _KIND_SHIFT | number)
        return answered

    @property
    def isWaiting(self) -> bool:
        """
        Whether somebody here waits for an answer.
        """
        return bool(self._asked)

    def _forget(self, number: int) -> None:
        """
        Whoever asked has given up: the other side need not stay for the answer.
        """
        del self._asked[number]
        self._send(b"", _GIVEN_UP << _KIND_SHIFT | number)

    def received(
        self, contents: list[bytes], marks: list[int], handle: Handle | None
    ) -> bool:
        """
        Have questions answered, and hand out answers.

        @return: That all were taken.
        """
        closeHandle(handle)
        for content, mark in zip(contents, marks or [0] * len(contents), strict=True):
            kind, number = divmod(mark, _NUMBER_LIMIT)
            if kind == _QUESTION:
                self._questionReceived(content, number)
                continue
            if kind == _GIVEN_UP:
                # It may be answered already.
                self._answering.pop(number, lambda: None)()
                continue
            answered = self._asked.pop(number, None)
            if answered is None:
                # Whoever asked has given up.
                continue
            if kind != _ANSWER:
                reason = content.decode("utf-8", "replace")
                answered.errback(Failure(AnswerFailed(reason)))
                continue
            try:
                answer = self._codec.decode(content)
            except Exception as e:
                reason = f"the answer cannot be decoded: {e}"
                answered.errback(Failure(AnswerFailed(reason)))
            else:
                answered.callback(answer)
        return True

    def _questionReceived(self, content: bytes, number: int) -> None:
        """
        Have a question answered, unless too many are not.
        """
        hasRoom = self._unanswered.hasRoom
        answered: Deferred[Any]
        if hasRoom:
            answered = maybeDeferred(self._answerTo, content)
        else:
            answered = fail(AnswerFailed("too many questions wait for their answers"))
        answered.addCallback(self._sendAnswer, number)
        answered.addErrback(self._sendReason, number)
        if hasRoom:
            givenUp = self._unanswered.until(answered, len(content))
            self._answering[number] = givenUp
            answered.addCallback(lambda _: self._answering.pop(number, None))

    def _answerTo(self, content: bytes) -> object:
        """
        What the application answers.
        """
        if self.answerer is None:
            raise AnswerFailed("nobody answers questions in the other process")
        return self.answerer(self._codec.decode(content))

    def _sendAnswer(self, answer: object, number: int) -> None:
        """
        Send an answer.
        """
        self._send(self._codec.encode(answer), _ANSWER << _KIND_SHIFT | number)

    def _sendReason(self, failure: Failure, number: int) -> None:
        """
        Send why there is no answer.
        """
        reason = failure.getErrorMessage()
        if not failure.check(AnswerFailed):
            self._log.failure("the answer to a question failed", failure)
            reason = f"{type(failure.value).__name__}: {reason}"
        words = reason.encode("utf-8", "backslashreplace")
        self._send(words, _NO_ANSWER << _KIND_SHIFT | number)

    def lost(self) -> None:
        """
        The channel is lost: fail what was not answered, in its order.
        """
        while self._asked:
            # One by one: whoever hears of one may give up another.
            answered = self._asked.pop(next(iter(self._asked)))
            answered.errback(
                Failure(ChannelClosed("the channel was lost before the answer"))
            )
