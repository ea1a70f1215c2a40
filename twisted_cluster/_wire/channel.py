"""
One end of a channel: AMP commands and answers, with descriptors beside them.

A peer that runs stock L{twisted.protocols.amp.AMP} understands every box.  Two
things differ from it, on purpose.  An exception that a responder did not
declare is logged and answered, where stock AMP closes the connection: one
mistake must not part a worker from its primary.  And descriptors are matched
to boxes by group, not by counting them: when a process runs out of
descriptors, the kernel drops some of a group, and whoever counts gives all
later ones to the wrong command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

from attrs import frozen
from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._wire.applicationresponders import ApplicationResponders
from twisted_cluster._wire.arguments import carriesDescriptors
from twisted_cluster._wire.boxes import Box, BoxReader, serialize
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster._wire.unanswered import Unanswered
from twisted_cluster.errors import ChannelClosed, MalformedBox, TakenBack
from twisted_cluster.interfaces import IDescriptorProtocol, IDescriptorTransport

_Responder = TypeVar("_Responder", bound=Callable[..., Any])

DESCRIPTORS_KEY = b"descriptors"

REPLY_LIMIT = 256 * 1024 * 1024
"""
How many bytes may wait in this process that are answers, or follow in another way
from what the other side said.  One that says so much and reads nothing of what
comes back would have this process grow until it is killed.
"""


def responds(command: type[amp.Command]) -> Callable[[_Responder], _Responder]:
    """
    Make a method of a L{Channel} the responder of a command.

    It is called with the command's arguments, and returns the answer's as a
    dictionary, or a Deferred of that.
    """

    def mark(method: _Responder) -> _Responder:
        method.respondsTo = command  # type: ignore[attr-defined]
        return method

    return mark


@frozen
class _Question:
    """
    A command that was sent and not answered yet.
    """

    command: type[amp.Command]
    answered: Deferred[dict[str, Any]]


@implementer(IDescriptorProtocol)
class Channel(protocol.Protocol):
    """
    One end.  A subclass, a I{link}, has the responders.

    @ivar application: Responds to the commands that the link does not know.
    @ivar peer: What the other side is called in the log.
    @ivar _questions: By tag, what was asked and not answered yet, in order.
    @ivar _arrived: Groups of descriptors whose boxes are not complete yet.
    @ivar _claimable: The group of the box that is being looked at; emptied by
        whoever claims it.
    @ivar _attached: The group for the box that is being put together.
    @ivar _brokenOff: Whether nothing that comes has a meaning any more.
    @ivar _unanswered: What the application has not answered yet.
    @ivar _replied: Of how many bytes more was waiting after something came than
        before, since nothing was.
    """

    transport: IDescriptorTransport
    peer = "the other side"

    _log: ClassVar[Logger] = Logger()
    _responders: ClassVar[dict[bytes, tuple[type[amp.Command], Callable[..., Any]]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        methods = [getattr(cls, name) for name in dir(cls) if not name.startswith("__")]
        cls._responders = {
            method.respondsTo.commandName: (method.respondsTo, method)
            for method in methods
            if hasattr(method, "respondsTo")
        }

    def __init__(self) -> None:
        self._reader = BoxReader()
        self._lastTag = 0
        self._questions: dict[bytes, _Question] = {}
        self._arrived: deque[list[int]] = deque()
        self._claimable: list[int] = []
        self._attached: Sequence[int] = ()
        self._brokenOff = False
        self._replied = 0
        self._unanswered = Unanswered()
        self.application = ApplicationResponders(self._unanswered)

    # -- what a link does

    def callRemote(
        self, command: type[amp.Command], **arguments: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Ask the other side.

        Descriptors among the arguments stay the caller's, and have to stay open
        until the answer.

        @return: Fires with the answer's arguments; fails with one of the
            command's declared errors, L{amp.RemoteAmpError}, or, when the
            channel is lost first, L{ChannelClosed}; or at once with whatever is
            wrong with the arguments, of which nothing was sent then.
        """
        answered: Deferred[dict[str, Any]] = Deferred()
        if not self.connected:
            answered.errback(Failure(ChannelClosed("the channel is closed")))
            return answered
        self._lastTag += 1
        tag = b"%x" % (self._lastTag,)
        box = {amp.COMMAND: command.commandName, amp.ASK: tag}
        try:
            self._send(box, command.makeArguments, arguments)
        except Exception:
            answered.errback(Failure())
        else:
            self._questions[tag] = _Question(command, answered)
        return answered

    def tell(self, command: type[amp.Command], **arguments: Any) -> None:
        """
        Tell the other side, without waiting for an answer.  If the channel is
        closed, nothing happens.
        """
        if self.connected:
            box = {amp.COMMAND: command.commandName}
            self._send(box, command.makeArguments, arguments)

    def withdraw(self, data: bytes) -> None:
        """
        Fail a question that was taken back out of the channel before the other
        side had read it, with L{TakenBack}; what is no question is dropped.

        @param data: The bytes of its box, whole.
        """
        [box] = BoxReader().feed(data)
        # It may be an answer to something that the other side asked.
        question = self._questions.pop(box.get(amp.ASK, b""), None)
        # Without a question, it was answered unread; that has to stand.
        if question is not None:
            question.answered.errback(
                Failure(TakenBack("the other process did not read it"))
            )

    def channelLost(self, reason: Failure) -> None:
        """
        The channel is gone, and every question on it has failed.  A link
        overrides this.
        """

    # -- what AMP's commands and our argument types call

    def attachDescriptors(self, descriptors: Sequence[int]) -> None:
        """
        Send these with the next box.
        """
        self._attached = descriptors

    def claimDescriptors(self) -> list[int]:
        """
        Take the descriptors that came with the box that is being looked at.
        """
        claimed, self._claimable = self._claimable, []
        return claimed

    # -- what the transport calls

    def descriptorsReceived(self, descriptors: list[int]) -> None:
        """
        Keep a group until its box is complete.
        """
        if self._brokenOff:
            closeAll(descriptors)
        else:
            self._arrived.append(descriptors)

    def dataReceived(self, data: bytes) -> None:
        """
        Act on every box that is complete now.
        """
        before = self.backlog
        try:
            for box in () if self._brokenOff else self._reader.feed(data):
                if self._brokenOff:
                    return
                self._boxReceived(box)
            if len(self._arrived) > self._reader.isInsideBox:
                raise MalformedBox("descriptors came without a box that names them")
        except MalformedBox as e:
            self.breakOff(e)
        else:
            self._limitReplies(before)

    @property
    def backlog(self) -> int:
        """
        How many bytes wait in this process until the other side reads.
        """
        return self.transport.unsent

    def _limitReplies(self, before: int) -> None:
        """
        Break off if the other side does not read what it asks for.

        @param before: What the backlog was before this side reacted.
        """
        backlog = self.backlog
        if not before:
            self._replied = 0
        if backlog > before:
            self._replied += backlog - before
            # Much of a backlog may be what this side began to say itself.
            if min(self._replied, backlog) > REPLY_LIMIT:
                self.breakOff(MalformedBox(f"{backlog} bytes wait, and are not read"))

    def breakOff(self, error: MalformedBox) -> None:
        """
        The other side has broken the rules: close the channel, and listen to
        nothing more.
        """
        if not self._brokenOff:
            self._brokenOff = True
            self._log.error(
                "{peer} broke the wire's rules: {error}", peer=self.peer, error=error
            )
            self._closeArrived()
            # Not in an orderly way: it need not read what waits.
            self.transport.abortConnection()

    def _closeArrived(self) -> None:
        """
        No box is going to name these.
        """
        for descriptors in self._arrived:
            closeAll(descriptors)
        self._arrived.clear()

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """
        Fail what was not answered, in its order.
        """
        self.connected = 0
        self._closeArrived()
        questions, self._questions = self._questions, {}
        for question in questions.values():
            question.answered.errback(
                Failure(ChannelClosed("the other process closed the channel"))
            )
        self.channelLost(reason)

    # -- sending

    def _send(
        self,
        box: Box,
        make: Callable[[dict[str, Any], Channel], Box],
        objects: dict[str, Any],
    ) -> None:
        """
        Put a box together and write it, with the descriptors that are among the
        objects.  A subclass that has gathered what has to go before any box
        overrides this, to write it first.
        """
        try:
            box.update(make(objects, self))
            data = serialize(box)
            if self._attached:
                self.transport.writeWithDescriptors(data, self._attached)
            else:
                self.transport.write(data)
        finally:
            # Those of a box that could not be sent must not go with the next.
            self._attached = ()

    # -- receiving

    def _boxReceived(self, box: Box) -> None:
        """
        Give a box to the responder or to the question that it is for.
        """
        if DESCRIPTORS_KEY in box and self._mayCarry(box):
            if not self._arrived:
                raise MalformedBox("a box names descriptors that did not come")
            self._claimable = self._arrived.popleft()
        try:
            if amp.COMMAND in box:
                self._commandReceived(box)
            elif amp.ANSWER in box:
                self._answerReceived(box)
            elif amp.ERROR in box:
                self._errorReceived(box)
            else:
                raise MalformedBox("neither a command nor an answer")
        finally:
            closeAll(self.claimDescriptors())

    def _mayCarry(self, box: Box) -> bool:
        """
        Whether this is a box of the package's own: an application's may have a key
        of the same name, which says nothing of descriptors.  Of what nobody knows it
        depends on whether any came.
        """
        if amp.COMMAND in box:
            name = box[amp.COMMAND]
            isUnknown = bool(self._arrived) and not self.application.knows(name)
            return self._isOwn(name) or isUnknown
        question = self._questions.get(box.get(amp.ANSWER, b""))
        return question is None or carriesDescriptors(question.command.response)

    def _isOwn(self, name: bytes) -> bool:
        """
        Whether a command of this name is the package's.
        """
        return name in self._responders

    def _commandReceived(self, box: Box) -> None:
        """
        Let the responder act, and answer if an answer is wanted.  A subclass that
        takes commands apart by hand overrides this, and leaves the others to it.

        @raise MalformedBox: if the box's values are none for its command.
        """
        name = box[amp.COMMAND]
        tag = box.get(amp.ASK)
        if name not in self._responders:
            answer = partial(self._answerBox, tag)
            refuse = partial(self._answerError, tag)
            if not self.application.respond(box, self.peer, answer, refuse):
                self._log.error("no responder for the command {name!r}", name=name)
                refuse(amp.UNHANDLED_ERROR_CODE, "Unhandled Command")
            return
        command, responder = self._responders[name]
        arguments = self._parse(box, command.parseArguments)
        try:
            answer = responder(self, **arguments)
            if isinstance(answer, Deferred):
                answer.addCallback(self._answer, tag, command).addErrback(
                    self._responderFailed, tag, command
                )
            else:
                self._answer(answer, tag, command)
        except Exception:
            self._responderFailed(Failure(), tag, command)

    def _parse(
        self, box: Box, parse: Callable[[Box, Channel], dict[str, Any]]
    ) -> dict[str, Any]:
        """
        Take a box apart.  If that fails, its descriptors are nobody's yet, even
        if they were claimed.
        """
        group = self._claimable
        try:
            return parse(box, self)
        except Exception as e:
            self._claimable = group
            raise MalformedBox(f"the values of a box: {e!r}") from e

    def _answer(
        self, answer: dict[str, Any], tag: bytes | None, command: type[amp.Command]
    ) -> None:
        """
        Send what a responder returned.
        """
        if tag is not None and self.connected:
            self._send({amp.ANSWER: tag}, command.makeResponse, answer)

    def _answerBox(self, tag: bytes | None, answer: Box) -> None:
        """
        Send what the application's responder returned.
        """
        if tag is not None and self.connected:
            self.transport.write(serialize({amp.ANSWER: tag, **answer}))

    def _responderFailed(
        self, failure: Failure, tag: bytes | None, command: type[amp.Command]
    ) -> None:
        """
        Answer with a declared error, or log an exception that nobody declared.
        """
        errors: dict[type[Exception], bytes] = command.allErrors  # type: ignore[attr-defined]
        declared = failure.check(*errors)
        if declared is not None:
            self._answerError(tag, errors[declared], failure.getErrorMessage())
            return
        self._log.failure(
            "the responder of {name!r} failed", failure, name=command.commandName
        )
        self._answerError(tag, amp.UNKNOWN_ERROR_CODE, "Unknown Error")

    def _answerError(self, tag: bytes | None, code: bytes, description: str) -> None:
        """
        Answer that something went wrong.
        """
        if tag is not None and self.connected:
            words = description.encode("utf-8", "backslashreplace")[:1024]
            self.transport.write(
                serialize(
                    {
                        amp.ERROR: tag,
                        amp.ERROR_CODE: code,
                        amp.ERROR_DESCRIPTION: words,
                    }
                )
            )

    def _question(self, tag: bytes) -> _Question:
        """
        What this is the answer to.
        """
        try:
            return self._questions.pop(tag)
        except KeyError:
            raise MalformedBox(f"an answer to {tag!r}, which nobody asked") from None

    def _answerReceived(self, box: Box) -> None:
        """
        Fire the question's Deferred.
        """
        question = self._question(box[amp.ANSWER])
        try:
            answer = self._parse(box, question.command.parseResponse)
        except MalformedBox:
            question.answered.errback(Failure())
            raise
        question.answered.callback(answer)

    def _errorReceived(self, box: Box) -> None:
        """
        Fail the question's Deferred.
        """
        question = self._question(box[amp.ERROR])
        code = box.get(amp.ERROR_CODE, amp.UNKNOWN_ERROR_CODE)
        description = box.get(amp.ERROR_DESCRIPTION, b"").decode("utf-8", "replace")
        error: Exception = amp.RemoteAmpError(code, description)
        errors: dict[bytes, type[Exception]] = question.command.reverseErrors  # type: ignore[attr-defined]
        declared = errors.get(code)
        if declared is not None:
            try:
                error = declared(description)
            except Exception:
                # It cannot be made from its words alone; then it stays general.
                self._log.failure("no {declared} from its words", declared=declared)
        question.answered.errback(Failure(error))
