"""
What the application says: messages and questions, both ways, between a primary
and a worker.

They travel on the stream channel beside the package's own commands, in two
lanes.  Messages wait for somebody who receives them; questions and answers must
not wait behind those, or a process that never asked for messages would not hear
the answers to its questions either.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, ClassVar

from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.amp import COMMAND
from twisted.python.failure import Failure

from twisted_cluster._wire.arguments import Numbers
from twisted_cluster._wire.boxes import Box
from twisted_cluster._wire.channel import Channel
from twisted_cluster._wire.codec import Codec
from twisted_cluster._wire.delivery import Delivery, Unheeded
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster._wire.hearing import Hearing
from twisted_cluster._wire.lanes import (
    Delivered,
    Handle,
    Inbox,
    LaneCommand,
    Outbox,
    closeHandle,
)
from twisted_cluster._wire.questions import Answerer, Dialogue, Questions
from twisted_cluster._wire.reserved import reserved
from twisted_cluster.errors import ChannelClosed, MalformedBox


class Messages(LaneCommand):
    """
    Messages; their marks are 0.
    """

    commandName = reserved("Messages")


def firstError(failure: Failure) -> Failure:
    """
    What failed, without saying which of several it was.
    """
    first: Any = failure.value
    reason: Failure = first.subFailure
    return reason


_WEIGHT = 256
"""How many bytes a message is thought to take that waits for room in its window."""


Receiver = Callable[[Any, Any], object]
GroupReceiver = Callable[[Iterator[Any], Any], object]
Attach = Callable[["Handle"], object]


class MessagingChannel(Channel):
    """
    A channel that carries messages and questions beside its commands.

    @cvar keepsTheRest: Whether somebody may still receive what had arrived when the
        channel is lost; whoever says so calls L{forgetMessages} in the end.
    @ivar _codec: How both sides encode messages.
    @ivar _receiver: Where messages go.
    @ivar _attach: Makes of a handle what the receiver is given.
    @ivar _group: What came together, as far as the receiver has not taken it.
    @ivar _unreadable: The places of those among it that could not be decoded.
    @ivar _isGiving: Whether the receiver is taking it.
    @ivar _dialogue: What is asked and answered in the lane of questions.
    @ivar _maySay: Whether the channel is open, and its end not agreed upon.
    @ivar _hearing: What somebody waits for to be heard, if anybody does.
    """

    _log = Logger()
    keepsTheRest: ClassVar[bool] = False

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self._codec = codec
        self._encode = codec.encode
        self._receiver: GroupReceiver = lambda messages, along: None
        self._attach: Attach = lambda handle: handle
        self._group: Iterator[Any] = iter(())
        self._unreadable: Sequence[int] = ()
        self._isGiving = False
        self._dialogue = Dialogue(codec, self._sayInDialogue, self._unanswered)
        self._unheeded = Unheeded(self.peer)
        self._hearing: Hearing | None = None
        self._maySay = False
        self._messagesIn = Inbox(
            self._messagesReceived,
            # It is made after this.
            lambda: self._messagesOut.refuse(),  # noqa: PLW0108
        )
        self._messagesOut = Outbox(Messages.commandName, self._write, self._messagesIn)
        self._questionsIn = Inbox(
            self._dialogue.received,
            lambda: self._questionsOut.refuse(),  # noqa: PLW0108
        )
        self._questionsOut = Outbox(
            Questions.commandName, self._write, self._questionsIn
        )
        self._questionsIn.open()
        self._lanes: dict[bytes, tuple[Inbox, Outbox]] = {
            Messages.commandName: (self._messagesIn, self._messagesOut),
            Questions.commandName: (self._questionsIn, self._questionsOut),
        }

    # -- messages

    def sendMessage(self, message: object, handle: Handle | None = None) -> Delivery:
        """
        Send a message.

        @param handle: What travels along; its descriptor stays the caller's, and
            has to stay open until the Deferred fires.

        @return: Fires when the other side's receiver was given the message;
            fails with L{ChannelClosed} if the channel is lost before, with
            L{HandleRefused} if the other process has no room for the handle, or
            with L{MessageRefused} if it cannot decode the message: then its
            receiver was not given it.  Nobody has to handle that; it is logged
            then, once for the channel.

        @raise TypeError: if there are no messages of this type.
        @raise ValueError: if there are no messages with this value.
        """
        content = self._encode(message)
        delivered = Delivery()
        delivered.unheeded = self._unheeded
        if self._maySay:
            self._messagesOut.send(content, 0, handle, delivered)
        else:
            delivered.errback(Failure(ChannelClosed("the channel is closed")))
        return delivered

    def receiveMessages(
        self, receiver: Receiver, attach: Attach = lambda handle: handle
    ) -> None:
        """
        Give messages to C{receiver} from now on, beginning with those that have
        waited for one.

        It is called with each message and its handle, or C{None}, and owns the
        handle's descriptor.  What it raises is logged; the message was
        delivered all the same, as it would fail again.

        @param attach: Makes of a handle what C{receiver} is given.
        """

        def receiveEach(messages: Iterator[Any], along: Any) -> None:
            for message in messages:
                try:
                    receiver(message, along)
                except Exception:
                    self._log.failure("the receiver of a message failed")

        self.receiveGroups(receiveEach, attach)

    def receiveGroups(
        self,
        receiver: GroupReceiver,
        attach: Attach = lambda handle: handle,
        isWanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        As L{receiveMessages}, but give C{receiver} iterators of those messages that
        came together.  One with a handle comes alone.

        What it leaves in the iterator waits until L{goOn}, and what comes after it
        too; if it raises, that is lost.

        @param isWanted: Whether to give C{receiver} anything now; whoever says no
            calls L{goOn} when that changes.
        """
        self._receiver = receiver
        self._attach = attach
        self._messagesIn.open(isWanted)
        self.goOn()

    def goOn(self) -> None:
        """
        Messages may be wanted again, or not any more.
        """
        if self._isGiving:
            # It looks itself.
            return
        try:
            isLeft = length_hint(self._group) and self._messagesIn.isWanted
            if isLeft and self._give(None):
                self._messagesIn.finish()
            self._messagesIn.goOn()
        except MalformedBox as e:
            self.breakOff(e)
        self._confirm()

    def forgetMessages(self) -> int:
        """
        Nobody is going to receive what waits.

        @return: How many messages are lost.
        """
        rest, self._group = self._group, iter(())
        return length_hint(rest) + self._messagesIn.forget()

    @property
    def undelivered(self) -> int:
        """
        How many messages, questions and answers of ours the other side's
        application has not been given yet.
        """
        return self._messagesOut.undelivered + self._questionsOut.undelivered

    @property
    def unconfirmed(self) -> int:
        """
        How many bytes that is, about: while it shrinks, the other side works.
        """
        return self._messagesOut.unconfirmed + self._questionsOut.unconfirmed

    def whenDelivered(self) -> Deferred[None]:
        """
        @return: Fires when every message, question and answer that was sent so
            far is delivered; fails with L{ChannelClosed} if the channel is lost
            before.
        """
        lanes = (self._messagesOut, self._questionsOut)
        delivered: Deferred[Any] = gatherResults(
            [lane.whenDelivered() for lane in lanes], consumeErrors=True
        )
        return delivered.addCallbacks(lambda _: None, firstError)

    @property
    def progress(self) -> int:
        """
        Grows while the other side works: takes what is said here, or says something.
        """
        heard = self._messagesIn.boxes + self._questionsIn.boxes
        return heard - self.unconfirmed

    # -- the end of the conversation

    def hangUp(self) -> None:
        """
        Close the channel, after what was said; nothing happens if it is closed.
        """
        if self.connected:
            self._maySay = False
            self.transport.loseConnection()

    def sayNoMore(self) -> dict[str, Any]:
        """
        From now on nobody here can send a message or ask a question; answers still
        can be given.

        @return: How many C{messages}, and how many C{questions} and answers, were
            said so far, and whether somebody C{isWaiting} for an answer.
        """
        self._maySay = False
        isWaiting = self._dialogue.isWaiting or bool(self._questions)
        return {**self.said, "isWaiting": isWaiting}

    @property
    def said(self) -> dict[str, int]:
        """
        How many C{messages}, and how many C{questions} and answers, were said so far.
        """
        return {
            "messages": self._messagesOut.sent,
            "questions": self._questionsOut.sent,
        }

    @property
    def maySay(self) -> bool:
        """
        Whether messages and questions can be sent.
        """
        return self._maySay

    def whenHeard(
        self, messages: int, questions: int, clock: IReactorTime | None = None
    ) -> Deferred[None]:
        """
        Wait for what the other side has said.  Messages are not waited for if they
        are not wanted here.

        @param messages: How many messages that are, since the beginning.
        @param questions: How many questions and answers.
        @param clock: Tells how long those who took some may leave between two;
            without one they may not.

        @return: Fires when this side's program was given them, and the other side
            was told; fails with L{ChannelClosed} if the channel is lost before.
        """
        if self._hearing is None or self._hearing.heard.isOver:
            self._hearing = Hearing(self._messagesIn, self._questionsIn, clock)
        self._hearing.until(messages, questions)
        self._confirm()
        return self._hearing.heard.when()

    def whenAnswered(self) -> Deferred[None]:
        """
        @return: Fires when no question of the other side's, and no command of its
            application's, is without an answer from this side.
        """
        return self._unanswered.whenNone()

    # -- questions

    def ask(self, question: object) -> Deferred[Any]:
        """
        Ask the other side's application.  To give up, cancel the Deferred; an
        answer that comes later is dropped.

        @return: Fires with the answer; fails with L{AnswerFailed} if there is
            none, and with L{ChannelClosed} if the channel is lost before.

        @raise TypeError: as L{sendMessage} does.
        @raise ValueError: as L{sendMessage} does.
        """
        content = self._encode(question)
        # Whoever says something and then asks about it expects that order.  It comes
        # first, as whoever writes may find that the channel is lost.
        self._messagesOut.flush()
        if not self._maySay:
            return fail(ChannelClosed("the channel is closed"))
        return self._dialogue.ask(content)

    def answerQuestions(self, answerer: Answerer) -> None:
        """
        Let C{answerer} answer the other side's questions from now on.

        It is called with a question, and returns the answer, or a Deferred or a
        coroutine of it.  What it raises is what the other side's L{AnswerFailed}
        says; it is logged here too, unless it is itself L{AnswerFailed}.
        """
        self._dialogue.answerer = answerer

    def _sayInDialogue(self, content: bytes, mark: int) -> None:
        """
        Send a question or what became of one.
        """
        if self.connected:
            self._questionsOut.send(content, mark)

    # -- what comes in

    @property
    def backlog(self) -> int:
        """
        A message that waits for room in its window weighs as much as any other: how
        large answers are is for this side's program to say.
        """
        waiting = self._messagesOut.waiting + self._questionsOut.waiting
        return self.transport.unsent + waiting * _WEIGHT

    def dataReceived(self, data: bytes) -> None:
        """
        Act on every box, then say in one go what came of it.
        """
        super().dataReceived(data)
        self._confirm()

    def _isOwn(self, name: bytes) -> bool:
        """
        Lanes are ours, too.
        """
        return name in self._lanes or super()._isOwn(name)

    def _commandReceived(self, box: Box) -> None:
        """
        Take messages out of their box by hand, and leave other commands to
        their responders.
        """
        name = box[COMMAND]
        if name in self._lanes:
            inbox, outbox = self._lanes[name]
            try:
                delivered = box.get(b"delivered")
                if delivered is not None:
                    outbox.confirmed(int(delivered))
                inbox.boxReceived(
                    struct.unpack(f"!{len(box[b'parts']) // 8}Q", box[b"parts"]),
                    box[b"content"],
                    self._handleOf(box) if b"handle" in box else None,
                )
            except (KeyError, ValueError, struct.error) as e:
                raise MalformedBox(f"the values of a box: {e!r}") from e
        elif name == Delivered.commandName:
            try:
                _, outbox = self._lanes[box[b"lane"]]
                outbox.confirmed(
                    int(box[b"boxes"]),
                    box.get(b"refused") == b"True",
                    Numbers().fromString(box.get(b"unreadable", b"")),
                    int(box.get(b"begun", b"0")),
                )
            except (KeyError, ValueError) as e:
                raise MalformedBox(f"the values of a box: {e!r}") from e
        else:
            super()._commandReceived(box)

    def _handleOf(self, box: Box) -> Handle:
        """
        The handle in a box, without a descriptor if this process has no room.
        """
        description = box[b"handle"].decode("utf-8")
        descriptors = self.claimDescriptors()
        closeAll(descriptors[1:])
        return Handle(description, descriptors[0] if descriptors else -1)

    def _messagesReceived(
        self, contents: list[bytes], marks: list[int], handle: Handle | None
    ) -> bool:
        """
        Decode messages and deliver them.

        @return: Whether the receiver has taken all of them.
        """
        messages, self._unreadable = self._decoded(contents)
        self._group = iter(messages)
        if not messages:
            closeHandle(handle)
        return self._give(handle)

    def _decoded(self, contents: list[bytes]) -> tuple[list[Any], Sequence[int]]:
        """
        Decode those that can be.

        @return: They, and the places of the others.
        """
        try:
            return self._codec.decodeAll(contents), ()
        except Exception:
            return self._decodeEach(contents)

    def _decodeEach(self, contents: list[bytes]) -> tuple[list[Any], Sequence[int]]:
        """
        As L{_decoded}, where one cannot be.
        """
        messages, unreadable = [], []
        for place, content in enumerate(contents):
            try:
                messages.append(self._codec.decode(content))
            except Exception:
                unreadable.append(place)
                self._log.failure(
                    "dropped a message of {size} bytes that cannot be decoded",
                    size=len(content),
                )
        return messages, unreadable

    def _give(self, handle: Handle | None) -> bool:
        """
        Give the group to the receiver, with what came along.

        @return: Whether it has taken all of it.
        """
        if length_hint(self._group):
            self._isGiving = True
            try:
                along = None if handle is None else self._attach(handle)
                self._receiver(self._group, along)
            except Exception:
                self._log.failure("the receiver of a message failed")
                self._group = iter(())
            finally:
                self._isGiving = False
            rest = length_hint(self._group)
            if rest:
                if not self._unreadable:
                    self._messagesIn.left(rest)
                return False
        if self._unreadable:
            # Nothing has confirmed the others, which would confirm all.
            self._messagesIn.count()
            self._messagesOut.refuseUnreadable(self._unreadable)
            self._unreadable = ()
        return True

    # -- what goes out

    def _write(self, pieces: list[bytes | memoryview], handle: Handle | None) -> None:
        """
        Send boxes of a lane.
        """
        if handle is None:
            self.transport.writeSequence(pieces)
        else:
            data = b"".join(pieces)
            self.transport.writeWithDescriptors(data, [handle.descriptor])

    def _confirm(self) -> None:
        """
        Send what was gathered, and tell what was delivered.
        """
        if self.connected:
            self._messagesOut.confirm()
            self._questionsOut.confirm()
        if self._hearing is not None:
            self._hearing.look()

    def _send(
        self,
        box: Box,
        make: Callable[[dict[str, Any], Channel], Box],
        objects: dict[str, Any],
    ) -> None:
        """
        Send what was gathered before anything else.
        """
        self._messagesOut.flush()
        self._questionsOut.flush()
        super()._send(box, make, objects)

    # -- the beginning, and the end

    def connectionMade(self) -> None:
        """
        From now on something can be said.
        """
        self._maySay = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Fail what was not delivered or answered, in its order.
        """
        self.connected = 0
        self._maySay = False
        if self._brokenOff or not self.keepsTheRest:
            self.forgetMessages()
        self._messagesOut.lost()
        self._questionsOut.lost()
        self._dialogue.lost()
        if self._hearing is not None:
            self._hearing.lost()
        super().connectionLost(reason)
