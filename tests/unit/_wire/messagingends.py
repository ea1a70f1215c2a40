"""
Two ends of a channel that carries messages, for tests.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.protocols import amp
from twisted.python.failure import Failure

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._wire.channel import responds
from twisted_cluster._wire.descriptors import inodeOf
from twisted_cluster._wire.lanes import PART_LIMIT, Handle, closeHandle
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster.testing.channels import connectedChannels

LARGE = 5 * PART_LIMIT


class BytesCodec:
    """
    Messages that are bytes already.  What begins with C{b"?"} cannot be decoded, nor
    can anything be that has it beside it.
    """

    def encode(self, message: object) -> bytes:
        """
        Only bytes.
        """
        if not isinstance(message, bytes):
            raise TypeError("only bytes")
        return message

    def decode(self, content: bytes) -> object:
        """
        Everything that does not begin with C{b"?"}.
        """
        if content[:1] == b"?":
            raise ValueError("no message")
        return content

    def decodeAll(self, contents: list[bytes]) -> list[object]:
        """
        All or none.
        """
        return [self.decode(content) for content in contents]


class Note(amp.Command):
    """
    A command of the channel's own.
    """

    requiresAnswer = False


class Link(MessagingChannel):
    """
    An end that keeps what it is given.

    @ivar received: Messages, handles' contents, and C{"note"} for a L{Note}, in
        their order.
    @ivar bytesRead: How many bytes arrived.
    @ivar lost: Whether the channel is lost.
    """

    def __init__(self) -> None:
        super().__init__(BytesCodec())
        self.received: list[Any] = []
        self.bytesRead = 0
        self.lost = False

    def listen(self) -> None:
        """
        Receive messages.
        """
        self.receiveMessages(self.keep)

    def keep(self, message: bytes, handle: Handle | None) -> None:
        """
        Keep a message, and what its handle is.
        """
        self.received.append(message)
        if handle is not None:
            self.received.append((handle.description, inodeOf(handle.descriptor)))
            closeHandle(handle)

    @responds(Note)
    def note(self) -> dict[str, Any]:
        """
        Keep that it came.
        """
        self.received.append("note")
        return {}

    def dataReceived(self, data: bytes) -> None:
        """
        Count.
        """
        self.bytesRead += len(data)
        super().dataReceived(data)

    def channelLost(self, reason: Failure) -> None:
        """
        Keep that it is.
        """
        self.lost = True


class MessagingCase(DescriptorsCountedTestCase):
    """
    Two ends of a channel.
    """

    def setUp(self) -> None:
        """
        Connect them.
        """
        super().setUp()
        self.connect()

    def connect(self) -> None:
        """
        Two new ends.
        """
        self.near, self.far = Link(), Link()
        self.pump = connectedChannels(self.near, self.far)

    def outcomes(self, *deferreds: Deferred[Any]) -> list[Any]:
        """
        What the Deferreds fire with, in the order in which they do.
        """
        results: list[Any] = []
        for deferred in deferreds:
            deferred.addErrback(lambda failure: failure.type).addCallback(
                results.append
            )
        return results
