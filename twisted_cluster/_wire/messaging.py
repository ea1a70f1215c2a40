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
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.amp import COMMAND
from twisted.python.failure import Failure

from twisted_cluster._wire.boxes import Box
from twisted_cluster._wire.channel import Channel
from twisted_cluster._wire.codec import Codec
from twisted_cluster._wire.delivery import Delivery, Unheeded
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster._wire.keptmessages import KeptMessages
from twisted_cluster._wire.lanes import (
    Deliver,
    Delivered,
    Handle,
    Inbox,
    LaneCommand,
    Outbox,
    closeHandle,
)
from twisted_cluster._wire.questions import Answerer, Dialogue, Questions
from twisted_cluster.errors import ChannelClosed, MalformedBox


class Messages(LaneCommand):
    """
    Messages; their marks are 0.
    """


def _firstError(failure: Failure) -> Failure:
    """
    What failed, without saying which of several it was.
    """
    first: Any = failure.value
    reason: Failure = first.subFailure
    return reason


_WEIGHT = 256
"""How many bytes a message is thought to take that waits for room in its window."""

Receiver = Callable[[Any, Any], object]
GroupReceiver = Callable[[list[Any], Any], object]
Attach = Callable[["Handle"], object]


class MessagingChannel(Channel):
    """
    A channel that carries messages and questions beside its commands.

    @ivar _codec: How both sides encode messages.
    @ivar _receiver: Where messages go.
    @ivar _attach: Makes of a handle what the receiver is given.
    @ivar _kept: Messages that were taken from the other side because it is about
        to end.
    @ivar _dialogue: What is asked and answered in the lane of questions.
    """

    _log = Logger()

    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self._codec = codec
        self._encode = codec.encode
        self._receiver: GroupReceiver | None = None
        self._attach: Attach = lambda handle: handle
        self._kept = KeptMessages()
        self._dialogue = Dialogue(codec, self._sayInDialogue, self._unanswered)
        self._unheeded = Unheeded(self.peer)
        self._messagesIn = Inbox(lambda: self._messagesOut.confirm(refused=True))
        self._messagesOut = Outbox(Messages.commandName, self._write, self._messagesIn)
        self._questionsIn = Inbox(lambda: self._questionsOut.confirm(refused=True))
        self._questionsOut = Outbox(
            Questions.commandName, self._write, self._questionsIn
        )
        self._questionsIn.open(self._dialogue.received)
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
            fails with L{ChannelClosed} if the channel is lost before, or with
            L{HandleRefused} if the other process has no room for the handle:
            then it was not given the message either.  Nobody has to handle that;
            it is logged then, once for the channel.

        @raise TypeError: if there are no messages of this type.
        @raise ValueError: if there are no messages with this value.
        """
        content = self._encode(message)
        delivered = Delivery()
        delivered.unheeded = self._unheeded
        if self.connected:
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

        def receiveEach(messages: list[Any], along: Any) -> None:
            for message in messages:
                try:
                    receiver(message, along)
                except Exception:
                    self._log.failure("the receiver of a message failed")

        self.receiveGroups(receiveEach, attach)

    def receiveGroups(
        self, receiver: GroupReceiver, attach: Attach = lambda handle: handle
    ) -> None:
        """
        As L{receiveMessages}, but give C{receiver} lists of those messages that came
        together.  One with a handle comes alone.

        If C{receiver} raises, it is not given the rest of its list again.
        """
        self._receiver = receiver
        self._attach = attach
        for contents, handle in self._kept.take():
            self._messagesReceived(contents, [], handle)
        self._openMessages(self._messagesReceived)

    def keepMessages(self) -> None:
        """
        Take what the other side sends off its hands, though nobody receives it
        yet: it is about to end, and waits for nothing else.

        A window of it waits here; what is more than that is dropped.
        """
        if self._receiver is None and self._kept.begin():
            self._openMessages(self._kept.keep)

    def forgetMessages(self) -> int:
        """
        Nobody is going to receive what was kept.

        @return: How many messages are lost.
        """
        return self._kept.forget()

    def _openMessages(self, deliver: Deliver) -> None:
        """
        Take messages from now on, beginning with those that have waited.
        """
        try:
            self._messagesIn.open(deliver)
        except MalformedBox as e:
            self.breakOff(e)
        self._confirm()

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
        return delivered.addCallbacks(lambda _: None, _firstError)

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
        if not self.connected:
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
                outbox.confirmed(int(box[b"boxes"]), box.get(b"refused") == b"True")
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
    ) -> None:
        """
        Decode messages and deliver them.
        """
        receiver = self._receiver
        assert receiver is not None
        try:
            messages = self._codec.decodeAll(contents)
        except Exception:
            messages = self._decodeEach(contents)
            if not messages:
                closeHandle(handle)
        if messages:
            try:
                receiver(messages, None if handle is None else self._attach(handle))
            except Exception:
                self._log.failure("the receiver of a message failed")

    def _decodeEach(self, contents: list[bytes]) -> list[object]:
        """
        Decode those that can be.
        """
        messages = []
        for content in contents:
            try:
                messages.append(self._codec.decode(content))
            except Exception:
                self._log.failure(
                    "dropped a message of {size} bytes that cannot be decoded",
                    size=len(content),
                )
        return messages

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

    # -- the end

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Fail what was not delivered or answered, in its order.
        """
        self.connected = 0
        self._messagesIn.lost()
        self._messagesOut.lost()
        self._questionsOut.lost()
        self._dialogue.lost()
        super().connectionLost(reason)
