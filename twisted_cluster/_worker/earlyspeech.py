"""
What a worker can say to its primary before there is a reactor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from twisted.protocols.amp import Command, IResponderLocator

from twisted_cluster._wire.correspondence import Correspondence, requireAnswerer
from twisted_cluster.errors import ConfigurationError


class EarlySpeech:
    """
    Nothing, since nothing can be sent; but a program can say already who is going
    to answer.
    """

    def __init__(self) -> None:
        self._answerer: Callable[[Any], Any] | None = None
        self._locators: list[IResponderLocator] = []

    def say(self, message: object) -> NoReturn:
        """
        @raise ConfigurationError: always.
        """
        raise ConfigurationError(
            "import or install the reactor before sending messages"
        )

    def send(
        self, message: object, handle: object, *, keepOpen: bool, unread: bytes
    ) -> NoReturn:
        """
        @raise ConfigurationError: always.
        """
        self.say(message)

    def ask(self, question: object, timeout: float | None) -> NoReturn:
        """
        @raise ConfigurationError: always.
        """
        self.say(question)

    def callRemote(self, command: type[Command], **arguments: Any) -> NoReturn:
        """
        @raise ConfigurationError: always.
        """
        self.say(command)

    def answer(self, answerer: Callable[[Any], Any]) -> None:
        """
        Have questions answered, when there is a reactor.
        """
        requireAnswerer(answerer)
        self._answerer = answerer

    def addLocator(self, locator: IResponderLocator) -> None:
        """
        Have commands responded to, when there is a reactor.

        @raise TypeError: if it is no such object.
        """
        self._locators.append(IResponderLocator(locator))

    def passOn(self, correspondence: Correspondence) -> None:
        """
        There is a reactor.
        """
        if self._answerer is not None:
            correspondence.answer(self._answerer)
        for locator in self._locators:
            correspondence.addLocator(locator)
