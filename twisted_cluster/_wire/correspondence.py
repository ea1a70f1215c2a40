"""
An application's messages, with what it sends along: ports, transports, sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from typing import Any, NoReturn

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols.amp import Box, Command, IResponderLocator
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._wire.delivery import Delivery
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.reserved import requirePossible
from twisted_cluster.errors import AnswerTimeout, ConfigurationError
from twisted_cluster.interfaces import IHandles, ISending
from twisted_cluster.observing import requireCallable


def _requireTime(timeout: object) -> None:
    """
    The reactor would say it too, but after the question was sent.

    @raise ConfigurationError: if this is no time to wait.
    """
    if not isinstance(timeout, (int, float)) or not 0 <= timeout < inf:
        raise ConfigurationError(
            f"a timeout is a number of seconds, or None to wait for ever, not "
            f"{timeout!r}"
        )


class _TimedOut(AnswerTimeout, defer.TimeoutError):
    """
    What users of Twisted expect, and says more.
    """


@implementer(IResponderLocator)
class Locators:
    """
    Several places to look for a command's responder.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._locators: list[IResponderLocator] = []

    def add(self, locator: IResponderLocator) -> None:
        """
        Look there, too, after those that are known already.
        """
        self._locators.append(IResponderLocator(locator))

    def locateResponder(self, name: bytes) -> Callable[[Box], Deferred[Box]] | None:
        """
        @return: What responds to the command of this name, if anything does.
        """
        for locator in self._locators:
            responder: Callable[[Box], Deferred[Box]] | None = None
            try:
                responder = locator.locateResponder(name)
            except Exception:
                self._log.failure(
                    "{locator!r} failed to look for {name!r}",
                    locator=locator,
                    name=name,
                )
            if responder is not None:
                return responder
        return None


class Correspondence:
    """
    One side's part in the conversation with the other process.

    @ivar locators: Where responders of the application's own commands are.
    @ivar say: L{send} for a message alone.
    """

    def __init__(
        self,
        channel: MessagingChannel,
        handles: IHandles,
        clock: IReactorTime,
        other: str = "the primary",
    ) -> None:
        """
        @param other: The other process, in words.
        """
        self._other = other
        self._channel = channel
        self._handles = handles
        self._clock = clock
        self._isGoingOn = False
        self.locators = Locators()
        self.say = channel.sendMessage
        channel.application.locator = self.locators

    def send(
        self,
        message: object,
        handle: object = None,
        *,
        keepOpen: bool = False,
        unread: bytes = b"",
    ) -> Deferred[None]:
        """
        Send a message.

        @param handle: A listening port, a connected transport, a datagram port
            or a socket to send along; C{None} for none.
        @param keepOpen: Whether to keep a transport or socket here, too.
        @param unread: What was read already from a transport that is sent; the
            receiver's protocol is given it first.

        @return: Fires when the other side's program was given the message;
            fails with L{ChannelClosed} if the channel is lost before.

        @raise TypeError: if the message cannot be put into bytes.
        """
        if handle is None:
            return self._channel.sendMessage(message)
        sending = self._handles.detach(handle, keepOpen, unread)
        try:
            delivered = self._channel.sendMessage(message, sending.handle)
        except Exception:
            sending.failed()
            raise
        # Whoever waits no longer for the delivery has not prevented it.
        told = Delivery()
        told.unheeded = delivered.unheeded
        delivered.addCallbacks(
            _delivered, _failed, callbackArgs=(sending,), errbackArgs=(sending,)
        ).addCallbacks(told.callback, told.errback)
        return told

    def ask(self, question: object, timeout: float | None = None) -> Deferred[Any]:
        """
        Send a question.

        @param timeout: Seconds to wait for the answer; C{None} is for ever.

        @return: Fires with the answer; fails with L{AnswerTimeout} if there is
            none in time, and otherwise as L{MessagingChannel.ask} says.

        @raise ConfigurationError: if nobody can wait so long; nothing was asked.
        """
        if timeout is not None:
            _requireTime(timeout)
        answered: Deferred[Any] = self._channel.ask(question)
        if timeout is not None:
            answered.addTimeout(timeout, self._clock, self._timedOut)
        return answered

    def _timedOut(self, result: object, timeout: float) -> NoReturn:
        """
        @raise AnswerTimeout: always.
        """
        raise _TimedOut(self._other, timeout)

    def callRemote(
        self, command: type[Command], **arguments: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Have the other side's program respond to a command of its own.

        @return: Fires with the response; fails with one of the command's
            declared errors, L{twisted.protocols.amp.RemoteAmpError}, or
            L{ChannelClosed}.

        @raise ConfigurationError: if the command has a name that only the
            package's own may have, or carries a descriptor.
        """
        requirePossible(command)
        return self._channel.callRemote(command, **arguments)

    def addLocator(self, locator: IResponderLocator) -> None:
        """
        Have the other side's commands responded to by C{locator}'s responders, too.
        """
        self.locators.add(locator)

    def receive(self, receiver: Callable[[Any, Any], None]) -> None:
        """
        Give messages, with what came along, to C{receiver}.
        """
        self._channel.receiveMessages(receiver, self._handles.attach)

    def receiveGroups(
        self,
        receiver: Callable[[Iterator[Any], Any], None],
        isWanted: Callable[[], bool],
    ) -> None:
        """
        Give messages that came together to C{receiver}, with what came along with
        the one among them.  What it leaves, and what comes while messages are not
        wanted, waits for L{goOn}.
        """
        self._channel.receiveGroups(receiver, self._handles.attach, isWanted)

    def goOn(self) -> None:
        """
        Messages may be wanted again, or not any more.
        """
        self._isGoingOn = False
        self._channel.goOn()

    def goOnLater(self) -> None:
        """
        The same in the reactor's next turn, for those who are in the middle of
        something.
        """
        if not self._isGoingOn:
            self._isGoingOn = True
            self._clock.callLater(0, self.goOn)

    def forget(self) -> int:
        """
        Nobody is going to receive the messages that wait.

        @return: How many are lost.
        """
        return self._channel.forgetMessages()

    def answer(self, answerer: Callable[[Any], Any]) -> None:
        """
        Have questions answered: with what C{answerer} returns, or with what a
        Deferred or a coroutine that it returns comes to.

        @raise ConfigurationError: if it cannot be called.
        """
        requireAnswerer(answerer)
        self._channel.answerQuestions(answerer)


def requireAnswerer(answerer: object) -> None:
    """
    The other side would be told, but whoever made the mistake is here.

    @raise ConfigurationError: if this cannot be called.
    """
    requireCallable(answerer, "what answers is called with each question")


def _delivered(ignored: None, sending: ISending) -> None:
    """
    What was sent along is the other side's.
    """
    sending.delivered()


def _failed(failure: Failure, sending: ISending) -> Failure:
    """
    What was sent along stays here.
    """
    sending.failed()
    return failure
