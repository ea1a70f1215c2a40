"""
Ordered streams of messages, of any size, on a channel that has other things to
carry too.

A message is cut into parts that fit into an AMP value, and small ones share a
box.  The receiver says how many boxes it has delivered, and the sender keeps no
more than a window of undelivered ones on the way.  So a sender that is faster
than its receiver keeps its messages to itself; a connection that is handed off
never waits behind more than a window of each lane; and a message is known to
be delivered when the other side's application has it, not when the kernel has
it.

The boxes are put together and taken apart by hand, as this is done for every
message: stock AMP takes several times as long for the same bytes.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.protocols.amp import COMMAND, Boolean, Command, Integer, String, Unicode
from twisted.python.failure import Failure

from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster._wire.delivery import Delivery
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster._wire.reserved import reserved
from twisted_cluster.errors import (
    ChannelClosed,
    HandleRefused,
    MalformedBox,
    MessageRefused,
)

PART_LIMIT = 65000
"""How many bytes of messages one box carries at most."""

SMALL = 4096
"""Up to how many bytes a message may share a box."""

BATCH = 2048
"""
How many bytes are gathered for a box: few enough that the other process begins
with them while this one goes on.
"""

FEW = 2
"""
While fewer boxes than these are on the way, nothing is gathered: what a process
said last is in the kernel's hands even if it is killed in the next moment.
"""

WINDOW = 512 * 1024
"""How many bytes may be on the way undelivered before the sender waits."""

UNTOLD = WINDOW // 4
"""
After how many bytes the sender is told that parts were delivered.  Whole messages
are told of at once: somebody may wait to hear it.
"""

HEADER = 8
"""
What a message weighs beside its bytes, lest a million empty ones weigh nothing.
"""

HANDLE = 4096
"""
What a handle weighs: until its message is delivered, it takes a descriptor of both
processes.
"""

MESSAGE_LIMIT = 0x7FFFFFFF
"""How many bytes one message may have."""

_MORE = 1 << 63
_LENGTH = 0xFFFFFFFF
_MARK_SHIFT = 32
MARK_LIMIT = 1 << 31


class LaneCommand(Command):
    """
    Parts of messages.

    C{parts} has a number for each: its length in the low 32 bits; the highest
    bit says that the message goes on with the next part; the others are the
    message's mark, whose meaning is the command's.  C{content} is their bytes,
    one part after the other.

    A message with a handle has a box of its own for its last part.  C{handle}
    says what the descriptor is; what that means is between the two edges.

    C{delivered} is as C{boxes} in L{Delivered}, for the same lane.
    """

    arguments = [
        (b"parts", Numbers()),
        (b"content", String()),
        (b"delivered", Integer(optional=True)),
        (b"handle", Unicode(optional=True)),
        (b"descriptors", Descriptors(optional=True)),
    ]
    requiresAnswer = False


class Delivered(Command):
    """
    So many more boxes of yours have been delivered, in the lane of that command.

    C{refused} says that the last of them was not: there was no room in this
    process for its descriptor, and its message was dropped.  C{unreadable} has the
    places, among the messages that ended in the last of them, of those that this
    process could not decode, and has dropped.

    C{begun} says of the box after those how many more of the messages that end in it
    have been delivered: the first of those that were not.
    """

    commandName = reserved("Delivered")
    arguments = [
        (b"lane", String()),
        (b"boxes", Integer()),
        (b"refused", Boolean(optional=True)),
        (b"unreadable", Numbers(optional=True)),
        (b"begun", Integer(optional=True)),
    ]
    requiresAnswer = False


@frozen
class Handle:
    """
    What travels along with a message.

    @ivar description: What it is.
    @ivar descriptor: The sender's own, which stays open until the message was
        delivered; the receiver's own, which it closes.
    """

    description: str
    descriptor: int


def _pair(key: bytes, value: bytes) -> bytes:
    """
    A key of a box with its value.
    """
    return b"".join(
        (len(key).to_bytes(2, "big"), key, len(value).to_bytes(2, "big"), value)
    )


def _key(key: bytes) -> bytes:
    """
    A key of a box without its value.
    """
    return len(key).to_bytes(2, "big") + key


_CONTENT_KEY = _key(b"content")
_END = b"\0\0"


@define(eq=False)
class _Outgoing:
    """
    A message that is not on its way entirely.

    @ivar mark: Its mark, where it is in a part's number.
    @ivar sent: How many of its bytes are.
    @ivar settled: What fires when it is delivered.
    """

    content: memoryview
    mark: int
    handle: Handle | None
    settled: list[Delivery]
    sent: int = 0


@define(eq=False)
class _Box:
    """
    A box that the other side has not confirmed.

    @ivar size: How much of the window it takes.
    @ivar messages: How many messages end in it that were not delivered.
    @ivar settled: What fires when they are.
    @ivar begun: How many others end in it.
    """

    size: int
    messages: int
    settled: list[Delivery]
    begun: int = 0

    def begin(self, count: int) -> None:
        """
        The first of its messages have been delivered.
        """
        self.messages -= count
        self.begun += count
        while self.settled and (count or isinstance(self.settled[0], _Watch)):
            settled = self.settled.pop(0)
            count -= not isinstance(settled, _Watch)
            settled.callback(None)


class _Watch(Delivery):
    """
    Fires when all messages before it are settled; it is for no message itself.
    """


Deliver = Callable[[list[bytes], list[int], "Handle | None"], bool]
"""
From messages that ended in one box, their marks, and the last one's handle: whether
all of them were taken.
"""


class Inbox:
    """
    The receiving half of a lane.

    @ivar boxes: How many boxes were delivered so far.
    @ivar messages: How many messages were.
    @ivar delivered: How many boxes were delivered that the other side has not
        been told of.
    @ivar _deliveredSize: How many bytes those are.
    @ivar _hasEnded: Whether a message ended in one of those.
    @ivar _deliver: Is given complete messages, in order.  If it does not take all of
        them, it has to call L{finish} when it has.
    @ivar _isWanted: Whether they are; they wait while they are not.
    @ivar _inHand: How many messages were given to it that are not all taken.
    @ivar _uncounted: How many bytes those are; 0 when they are counted.
    @ivar _begun: How many of those were taken.
    @ivar _begunTold: Of how many of those the other side has been told.
    @ivar _refuse: Called when a message has lost its handle.
    @ivar _waiting: Boxes that wait.
    @ivar _waitingSize: How many bytes those are.
    @ivar _incomplete: The parts of a message whose end has not come yet.
    @ivar _incompleteSize: How many bytes those are.
    """

    def __init__(self, deliver: Deliver, refuse: Callable[[], None]) -> None:
        self.boxes = 0
        self.messages = 0
        self.delivered = 0
        self._deliveredSize = 0
        self._hasEnded = False
        self._deliver = deliver
        self._isWanted: Callable[[], bool] = lambda: False
        self._inHand = 0
        self._uncounted = 0
        self._begun = 0
        self._begunTold = 0
        self._refuse = refuse
        self._waiting: deque[tuple[Sequence[int], bytes, Handle | None]] = deque()
        self._waitingSize = 0
        self._incomplete: list[bytes] = []
        self._incompleteSize = 0

    def takeDelivered(self) -> int:
        """
        What the other side has to be told, once.
        """
        delivered, self.delivered = self.delivered, 0
        self._deliveredSize = 0
        self._hasEnded = False
        return delivered

    def takeBegun(self) -> int:
        """
        Of how many messages more, of those that are being delivered, the other side
        has to be told, once.
        """
        begun = self._begun - self._begunTold
        self._begunTold = self._begun
        return begun

    @property
    def isWanted(self) -> bool:
        """
        Whether messages are delivered, and do not wait.
        """
        return self._isWanted()

    @property
    def taken(self) -> int:
        """
        How many messages were taken so far.
        """
        return self.messages + self._begun

    @property
    def isUrgent(self) -> bool:
        """
        Whether the other side must be told, even if nothing else is.
        """
        return (
            self._hasEnded
            or self._deliveredSize > UNTOLD
            or self._begun > self._begunTold
        )

    def open(self, isWanted: Callable[[], bool] = lambda: True) -> None:
        """
        Deliver messages from now on, whenever they are wanted.
        """
        self._isWanted = isWanted

    def goOn(self) -> None:
        """
        Deliver what waits, as far as it is wanted.

        @raise MalformedBox: as L{boxReceived} does.
        """
        while self._waiting and not self._inHand and self._isWanted():
            numbers, content, handle = self._waiting.popleft()
            self._waitingSize -= _weight(numbers, content, handle)
            try:
                self._take(numbers, content, handle)
            except MalformedBox:
                closeHandle(handle)
                raise

    def finish(self) -> None:
        """
        All of what was delivered last has been taken.
        """
        self.count()
        self._inHand = 0

    def left(self, count: int) -> None:
        """
        So many of what was delivered last have not been taken, but those before.
        """
        self._begun = self._inHand - count

    def count(self) -> None:
        """
        Take what is being delivered for delivered; nothing happens if it is already.
        """
        if self._uncounted:
            self.boxes += 1
            self.delivered += 1
            self._deliveredSize += self._uncounted
            self._uncounted = self._begun = self._begunTold = 0
            if self._inHand:
                self._hasEnded = True
                self.messages += self._inHand

    def boxReceived(
        self, numbers: Sequence[int], content: bytes, handle: Handle | None
    ) -> None:
        """
        A box has arrived.

        @raise MalformedBox: if it contradicts itself, or if the other side does
            not keep to the window; its handle is closed then.
        """
        try:
            if not numbers:
                raise MalformedBox("a box of messages without any")
            if handle is not None and (len(numbers) > 1 or numbers[0] & _MORE):
                raise MalformedBox("a handle that is for no message of its own")
            if not self._waiting and not self._inHand and self._isWanted():
                self._take(numbers, content, handle)
            else:
                self._keep(numbers, content, handle)
        except MalformedBox:
            closeHandle(handle)
            raise

    def _keep(
        self, numbers: Sequence[int], content: bytes, handle: Handle | None
    ) -> None:
        """
        Keep a box until somebody receives what is in it.
        """
        self._waitingSize += _weight(numbers, content, handle)
        if self._waitingSize > WINDOW + 2 * PART_LIMIT:
            raise MalformedBox("more messages than the window has room for")
        self._waiting.append((numbers, content, handle))

    def forget(self) -> int:
        """
        Nobody is going to receive what waits.

        @return: How many messages that were.
        """
        lost = 0
        for numbers, _, handle in self._waiting:
            lost += sum(not number & _MORE for number in numbers)
            closeHandle(handle)
        self._waiting.clear()
        self._waitingSize = 0
        self._incomplete = []
        return lost

    def _take(
        self, numbers: Sequence[int], content: bytes, handle: Handle | None
    ) -> None:
        """
        Put parts together to messages, and deliver those that are complete.
        """
        contents: list[bytes] = []
        marks: list[int] = []
        at = 0
        if not self._incomplete and max(numbers, default=0) <= _LENGTH:
            # Whole messages without marks: nearly always.
            for size in numbers:
                contents.append(content[at : at + size])
                at += size
        else:
            at = self._put(numbers, content, contents, marks)
        if at != len(content):
            raise MalformedBox("parts that are longer or shorter than their box")
        self._inHand = len(contents)
        self._uncounted = at + HEADER * len(numbers)
        if len(contents) == 1:
            # Already now: an answer to it tells of it in the same box.
            self.count()
        if handle is not None and handle.descriptor < 0:
            self.finish()
            self._refuse()
            return
        isTaken = True
        try:
            if contents:
                isTaken = self._deliver(contents, marks, handle)
        finally:
            # Who raises is not given it again.
            if isTaken:
                self.finish()

    def _put(
        self,
        numbers: Sequence[int],
        content: bytes,
        contents: list[bytes],
        marks: list[int],
    ) -> int:
        """
        Put parts together.

        @param contents: Is given the messages that are complete.
        @param marks: Is given their marks.

        @return: How long all parts are.
        """
        at = 0
        for number in numbers:
            following = at + (number & _LENGTH)
            part = content[at:following]
            at = following
            if number & _MORE:
                self._incomplete.append(part)
                # Few bytes take as much room as some more.
                self._incompleteSize += max(len(part), SMALL)
                if self._incompleteSize > MESSAGE_LIMIT:
                    raise MalformedBox(f"a message of more than {MESSAGE_LIMIT} bytes")
                continue
            if self._incomplete:
                self._incomplete.append(part)
                part = b"".join(self._incomplete)
                self._incomplete = []
                self._incompleteSize = 0
            contents.append(part)
            marks.append(number >> _MARK_SHIFT)
        return at


def _weight(numbers: Sequence[int], content: bytes, handle: Handle | None) -> int:
    """
    How much room a box takes that waits.
    """
    weight = len(content) + HEADER * len(numbers)
    return weight if handle is None else weight + HANDLE


class Outbox:
    """
    The sending half of a lane.

    @ivar _write: Sends boxes, in pieces, and the handle that belongs to them.
    @ivar _inbox: The other half, of whose deliveries the other side is told.
    @ivar _unsent: Messages that wait for room in the window.
    @ivar _underway: The boxes that the other side has not confirmed.
    @ivar _delivered: How many messages the other side has confirmed.
    @ivar _room: How many bytes the window has left.
    @ivar _contents: The parts that go out together next.
    @ivar _marks: By its place among them, what is to be said of a part beside
        its length.
    @ivar _size: How much of the window they are going to take.
    @ivar _settled: What fires when they are delivered.
    """

    def __init__(
        self,
        command: bytes,
        write: Callable[[list[bytes | memoryview], Handle | None], None],
        inbox: Inbox,
    ) -> None:
        self._prefix = _pair(COMMAND, command) + _key(b"parts")
        self._confirmation = _pair(COMMAND, Delivered.commandName) + _pair(
            b"lane", command
        )
        self._write = write
        self._inbox = inbox
        self._unsent: deque[_Outgoing] = deque()
        self._underway: deque[_Box] = deque()
        self._delivered = 0
        self._room = WINDOW
        self._contents: list[bytes | memoryview] = []
        self._marks: dict[int, int] = {}
        self._size = 0
        self._settled: list[Delivery] = []

    def send(
        self,
        content: bytes,
        mark: int = 0,
        handle: Handle | None = None,
        settled: Delivery | None = None,
    ) -> None:
        """
        Send a message.

        @param mark: At most L{MARK_LIMIT} - 1.
        @param settled: Fires when the message was delivered.

        @raise ValueError: if it is longer than any message may be.
        """
        size = len(content)
        if size > SMALL or self._room <= 0 or self._unsent or handle is not None:
            if size > MESSAGE_LIMIT:
                raise ValueError(
                    f"a message of {size} bytes; {MESSAGE_LIMIT} are possible"
                )
            self._unsent.append(
                _Outgoing(
                    memoryview(content),
                    mark << _MARK_SHIFT,
                    handle,
                    [] if settled is None else [settled],
                )
            )
            self._fill()
            gathered = self._size
        else:
            if mark:
                self._marks[len(self._contents)] = mark << _MARK_SHIFT
            self._contents.append(content)
            if settled is not None:
                self._settled.append(settled)
            self._size = gathered = self._size + size + HEADER
        if gathered > BATCH or len(self._underway) < FEW:
            self.flush()

    @property
    def waiting(self) -> int:
        """
        How many messages wait for room in the window.
        """
        return len(self._unsent)

    @property
    def undelivered(self) -> int:
        """
        How many messages have not been delivered yet.
        """
        underway = sum(box.messages for box in self._underway)
        return underway + len(self._contents) + len(self._unsent)

    @property
    def sent(self) -> int:
        """
        How many messages were sent so far.
        """
        return self._delivered + self.undelivered

    @property
    def unconfirmed(self) -> int:
        """
        How many bytes have not been delivered yet, with what they weigh beside.
        """
        underway = sum(box.size - HEADER * box.begun for box in self._underway)
        unsent = sum(len(each.content) - each.sent + HEADER for each in self._unsent)
        return underway + self._size + unsent

    def whenDelivered(self) -> Deferred[None]:
        """
        @return: Fires when all that was sent so far is settled.
        """
        settled = _Watch()
        if self._unsent:
            self._unsent[-1].settled.append(settled)
        elif self._contents:
            self._settled.append(settled)
        elif self._underway:
            self._underway[-1].settled.append(settled)
        else:
            return succeed(None)
        return settled

    def confirmed(
        self,
        boxes: int,
        refused: bool = False,
        unreadable: Sequence[int] = (),
        begun: int = 0,
    ) -> None:
        """
        The other side has delivered boxes.

        @param refused: Not the last of them, for want of a descriptor.
        @param unreadable: Nor these of the messages that ended in it.
        @param begun: How many messages more, of those that end in the next.

        @raise MalformedBox: if it has not been sent so many.
        """
        if not 0 <= boxes <= len(self._underway):
            raise MalformedBox("more was delivered than was sent")
        for _ in range(boxes):
            boxes -= 1
            box = self._underway.popleft()
            self._room += box.size
            self._delivered += box.messages
            if not boxes and (refused or unreadable):
                _settleSome(box, refused, unreadable)
            else:
                for settled in box.settled:
                    if settled.heeded:
                        settled.callback(None)
                    else:
                        # What that comes to, in a fraction of the time.
                        settled.called = True
                        settled.result = None
        if begun:
            if not self._underway or not 0 < begun <= self._underway[0].messages:
                raise MalformedBox("more was delivered than was sent")
            self._delivered += begun
            self._underway[0].begin(begun)
        if self._unsent:
            self._fill()

    def lost(self) -> None:
        """
        The channel is lost: fail what was not delivered, in its order.
        """
        self._room = 0
        settled = [each for box in self._underway for each in box.settled]
        settled += self._settled
        settled += [each for message in self._unsent for each in message.settled]
        self._underway.clear()
        self._unsent.clear()
        self._contents, self._marks, self._settled = [], {}, []
        self._size = 0
        for each in settled:
            each.errback(
                Failure(ChannelClosed("the channel was lost before the delivery"))
            )

    def flush(self) -> None:
        """
        Send what was gathered.
        """
        if self._contents:
            self._write(self._box(None), None)

    def _box(self, handle: Handle | None) -> list[bytes | memoryview]:
        """
        Put what was gathered into a box.

        @param handle: What travels along with the last part.

        @return: The pieces of the box, which is taken for sent.
        """
        contents = self._contents
        count = len(contents)
        numbers = [*map(len, contents)]
        ended = count
        if self._marks:
            for place, mark in self._marks.items():
                numbers[place] |= mark
            # Only the last part of a box can be one that goes on.
            ended -= numbers[-1] >= _MORE
            self._marks = {}
        end = _END
        if self._inbox.delivered:
            end = _pair(b"delivered", b"%d" % self._inbox.takeDelivered()) + end
        if handle is not None:
            description = handle.description.encode("utf-8")
            end = _pair(b"handle", description) + _pair(b"descriptors", b"1") + end
        pieces = [
            self._prefix,
            (8 * count).to_bytes(2, "big"),
            struct.pack(f"!{count}Q", *numbers),
            _CONTENT_KEY,
            (self._size - HEADER * count).to_bytes(2, "big"),
            *contents,
            end,
        ]
        weight = self._size if handle is None else self._size + HANDLE
        self._underway.append(_Box(weight, ended, self._settled))
        self._room -= weight
        if self._size <= BATCH + SMALL:
            pieces = [b"".join(pieces)]
        self._contents, self._settled, self._size = [], [], 0
        return pieces

    def confirm(self) -> None:
        """
        Send what was gathered, and tell the other side what was delivered.
        """
        if self._contents:
            self.flush()
        self._tellDelivered(b"")

    def refuse(self) -> None:
        """
        Tell the other side what was delivered, but for the last message: its handle
        was lost.
        """
        self._tellDelivered(_pair(b"refused", b"True"))

    def refuseUnreadable(self, places: Sequence[int]) -> None:
        """
        Tell the other side what was delivered, but for some of the last box.

        @param places: Where those are among the messages that ended in it.
        """
        self._tellDelivered(
            _pair(b"unreadable", struct.pack(f"!{len(places)}Q", *places))
        )

    def _tellDelivered(self, more: bytes) -> None:
        """
        Tell the other side what was delivered.

        @param more: What else there is to say.
        """
        if self._inbox.isUrgent:
            delivered = self._inbox.takeDelivered()
            box = self._confirmation + _pair(b"boxes", b"%d" % delivered)
            begun = self._inbox.takeBegun()
            if begun:
                box += _pair(b"begun", b"%d" % begun)
            self._write([box + more + _END], None)

    def _fill(self) -> None:
        """
        Send what waits, as far as the window has room for it, in one go.
        """
        pieces: list[bytes | memoryview] = []
        while self._unsent and self._room > 0:
            message = self._unsent[0]
            if self._contents and (message.handle is not None or self._size > BATCH):
                # What goes before must not be taken for its beginning.
                pieces += self._box(None)
            part = message.content[message.sent : message.sent + PART_LIMIT - BATCH]
            message.sent += len(part)
            ended = message.sent == len(message.content)
            mark = message.mark if ended else message.mark | _MORE
            if mark:
                self._marks[len(self._contents)] = mark
            self._contents.append(part)
            self._size += len(part) + HEADER
            if not ended:
                pieces += self._box(None)
                continue
            self._unsent.popleft()
            self._settled += message.settled
            if message.handle is not None:
                if pieces:
                    self._write(pieces, None)
                    pieces = []
                self._write(self._box(message.handle), message.handle)
        if pieces:
            self._write(pieces, None)


def _settleSome(box: _Box, refused: bool, unreadable: Sequence[int]) -> None:
    """
    Tell each message of a box whether it was delivered.

    @param refused: None was.
    @param unreadable: The places of those that were not.
    """
    place = box.begun
    for settled in box.settled:
        if isinstance(settled, _Watch):
            settled.callback(None)
            continue
        if refused:
            settled.errback(
                Failure(HandleRefused("the other process has no descriptors left"))
            )
        elif place in unreadable:
            settled.errback(
                Failure(MessageRefused("the other process could not decode it"))
            )
        else:
            settled.callback(None)
        place += 1


def closeHandle(handle: Handle | None) -> None:
    """
    Close a handle that nobody is going to use.
    """
    if handle is not None and handle.descriptor >= 0:
        closeAll([handle.descriptor])
