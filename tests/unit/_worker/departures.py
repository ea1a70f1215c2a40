"""
What a worker that leaves has to do with, in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from zope.interface import implementer

from twisted_cluster._wire.channel import responds
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.toprimary import LastWords, Leaving
from twisted_cluster.events import ListeningAddress
from twisted_cluster.interfaces import IServing


class HearingPrimary(MessagingChannel):
    """
    The primary's end of the stream channel.

    @ivar heard: What the worker said, in order.
    """

    def __init__(self) -> None:
        super().__init__(JSONCodec())
        self.heard: list[object] = []

    def listen(self) -> None:
        """
        Receive messages from now on.
        """
        self.receiveMessages(lambda message, _: self.heard.append(message))

    @responds(Leaving)
    def leaving(self) -> dict[str, Any]:
        """
        The worker leaves of its own free will.
        """
        self.heard.append("leaving")
        return self.sayNoMore()

    @responds(LastWords)
    def lastWords(self, messages: int, questions: int) -> Deferred[dict[str, Any]]:
        """
        The worker waits for its messages to be received.
        """
        self.heard.append("last words")
        return self.whenHeard(messages, questions).addCallback(lambda _: {})


@implementer(IServing)
class ServingInSteps:
    """
    What a worker serves, for the test to end.

    @ivar isListening: Whether a port is open.
    @ivar listening: Fires when the first one is.
    @ivar waitedFor: By its name, each step that was begun.
    @ivar calls: What else it was asked.
    """

    def __init__(self) -> None:
        self.isListening = False
        self.listening: Deferred[ListeningAddress] = Deferred()
        self.waitedFor: dict[str, Deferred[None]] = {}
        self.calls: list[tuple[Any, ...]] = []

    def _step(self, name: str) -> Deferred[None]:
        return self.waitedFor.setdefault(name, Deferred())

    def over(self, name: str) -> None:
        """
        A step is over.
        """
        self.waitedFor[name].callback(None)

    def whenListening(self) -> Deferred[ListeningAddress]:
        """
        Wait for a port.
        """
        return self.listening

    def closePorts(self) -> Deferred[None]:
        """
        Begin to.
        """
        return self._step("ports")

    def whenServed(self) -> Deferred[None]:
        """
        Wait for the clients.
        """
        return self._step("served")

    def whenIdle(self) -> Deferred[None]:
        """
        Wait for the rest.
        """
        return self._step("idle")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def called(*arguments: Any) -> AbstractContextManager[None] | IListeningPort:
            self.calls.append((name, *arguments))
            return nullcontext()

        return called
