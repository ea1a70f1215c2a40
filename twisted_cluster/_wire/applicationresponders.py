"""
Commands of the application's own, which its stock AMP responders answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure

from twisted_cluster._wire.boxes import Box
from twisted_cluster._wire.unanswered import Unanswered


class ApplicationResponders:
    """
    Responders that take boxes and return them.

    @ivar locator: Finds them.
    @ivar _unanswered: What the application has not answered yet.
    """

    _log = Logger()

    def __init__(self, unanswered: Unanswered) -> None:
        self.locator: amp.IResponderLocator | None = None
        self._unanswered = unanswered

    def respond(
        self,
        box: Box,
        peer: str,
        answer: Callable[[Box], None],
        refuse: Callable[[bytes, str], None],
    ) -> bool:
        """
        Let the application respond to a command.

        @param peer: Who sent it, for the log.
        @param answer: Is given the responder's answer.  If it raises, that is taken
            for the responder's mistake.
        @param refuse: Is given the code and the words of an error instead.

        @return: Whether the application has a responder for it.
        """
        responder = self._locate(box[amp.COMMAND])
        if responder is None:
            return False

        def failed(failure: Failure) -> None:
            # What was declared comes as this; anything else is a mistake.
            error = failure.value
            if isinstance(error, amp.RemoteAmpError):
                refuse(error.errorCode, error.description)
                return
            self._log.failure("an application's responder failed", failure)
            refuse(amp.UNKNOWN_ERROR_CODE, "Unknown Error")

        if self._unanswered.hasRoom:
            size = sum(map(len, box.values()))
            answered = maybeDeferred(responder, box).addCallback(answer)
            self._unanswered.until(answered.addErrback(failed), size)
        else:
            self._log.error("{peer} asks more than is answered", peer=peer)
            refuse(amp.UNKNOWN_ERROR_CODE, "Too many questions")
        return True

    def knows(self, name: bytes) -> bool:
        """
        Whether the application responds to a command.
        """
        if self.locator is None:
            return False
        try:
            return self.locator.locateResponder(name) is not None
        except Exception:
            # That is told when it is asked to respond.
            return False

    def _locate(self, name: bytes) -> Callable[[Box], Any] | None:
        """
        What of the application responds to a command.
        """
        found: Callable[[Box], Any] | None = None
        if self.locator is not None:
            try:
                found = self.locator.locateResponder(name)
            except Exception:
                self._log.failure("looking for {name!r} failed", name=name)
        return found
