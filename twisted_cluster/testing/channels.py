"""
Channels between two protocols in one process, with no kernel between them.

The bytes are in memory, and move when the test says so.  The descriptors are
real: each is duplicated when it is sent, so that whoever receives one owns it
and has to close it, and whoever sent one still has to close its own, as between
two processes.  A test counts its open descriptors to see whether all did.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence

from attrs import define
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import (
    IBlockingChannel,
    IDescriptorProtocol,
    IHandoffTransport,
)

DESCRIPTOR_LIMIT = 253
"""How many descriptors go with one message, as in Linux."""

READ_SIZE = 65536
"""How many bytes arrive at once, if the test does not say otherwise."""


@implementer(IAddress)
class MemoryAddress:
    """
    The address of an end of a channel, which has none.
    """


@define(eq=False)
class _Message:
    """
    What one write sent.

    @ivar data: The bytes that have not arrived yet.
    @ivar group: Duplicates of the descriptors that were sent with the first
        byte; C{None} if there were none, or if they have arrived.
    @ivar originals: Number and inode of each descriptor that was sent.
    """

    data: bytes
    group: list[int] | None = None
    originals: Sequence[tuple[int, int]] = ()


@implementer(IHandoffTransport)
class MemoryTransport:
    """
    One end of a channel in memory.

    @ivar connected: Whether this end is open.
    @ivar disconnecting: Whether this end was asked to close; it does so when
        the pump runs.
    @ivar cut: How many bytes arrive here at once at most.
    @ivar truncations: For each of the next groups that arrive here, how many of
        its descriptors do: as if this process had no room for more.
    @ivar _other: The other end, once there is one.
    """

    def __init__(self, protocol: IDescriptorProtocol) -> None:
        self.connected = True
        self.disconnecting = False
        self.cut = READ_SIZE
        self.truncations: deque[int] = deque()
        self._protocol = protocol
        self._written: deque[_Message] = deque()
        self._other: MemoryTransport | None = None

    # -- what the protocol calls

    def write(self, data: bytes) -> None:
        """
        Send bytes.
        """
        self.writeWithDescriptors(data, ())

    def writeSequence(self, iovec: Iterable[bytes | memoryview]) -> None:
        """
        Send bytes.
        """
        self.write(b"".join(iovec))

    def writeWithDescriptors(self, data: bytes, descriptors: Sequence[int]) -> None:
        """
        Send bytes, and with the first of them duplicates of descriptors.
        """
        if not self.connected or self.disconnecting or not data:
            return
        if len(descriptors) > DESCRIPTOR_LIMIT:
            raise ValueError(f"{len(descriptors)} descriptors in one message")
        message = _Message(data)
        if descriptors:
            message.originals = [(fd, os.fstat(fd).st_ino) for fd in descriptors]
            message.group = [os.dup(fd) for fd in descriptors]
        self._written.append(message)

    @property
    def unsent(self) -> int:
        """
        How many bytes the other end has not read.
        """
        return sum(len(message.data) for message in self._written)

    def loseConnection(self) -> None:
        """
        Close this end when the pump runs.  What was written before arrives at
        the other end.
        """
        self.disconnecting = self.connected

    def readToTheEnd(self) -> None:
        """
        Deliver what the other end has written so far.
        """
        assert self._other is not None
        left = sum(len(message.data) for message in self._other._written)
        while left > 0 and self.connected and not self.disconnecting:
            left -= self.deliver(self._other)

    def abortConnection(self) -> None:
        """
        Close this end when the pump runs, and drop what has not arrived.
        """
        self.discard()
        self.loseConnection()

    def getHost(self) -> IAddress:
        """
        No address.
        """
        return MemoryAddress()

    getPeer = getHost

    def takeBack(self) -> list[bytes]:
        """
        Take back what the other end has not read.
        """
        packets = [message.data for message in self._written]
        self.discard()
        return packets

    # -- what the pump calls

    def deliver(self, sender: MemoryTransport) -> int:
        """
        Read once what the other end wrote, as C{recvmsg} does: pieces are put
        together, but never past one that has descriptors.

        @return: How many bytes there were.
        """
        data = b""
        group: list[int] | None = None
        while sender._written and len(data) < self.cut and group is None:
            message = sender._written[0]
            sender._checkOriginals(message)
            group, message.group = message.group, None
            room = self.cut - len(data)
            data, message.data = data + message.data[:room], message.data[room:]
            if not message.data:
                sender._written.popleft()
        if group is not None:
            if self.truncations:
                keep = self.truncations.popleft()
                _close(group[keep:])
                del group[keep:]
            self._protocol.descriptorsReceived(group)
        if data:
            self._protocol.dataReceived(data)
        return len(data)

    def close(self, reason: Failure) -> None:
        """
        Close this end, once, and tell its protocol.
        """
        if self.connected:
            self.connected = self.disconnecting = False
            self._protocol.connectionLost(reason)

    def discard(self) -> None:
        """
        Drop what was written here and will not arrive any more.
        """
        for message in self._written:
            _close(message.group or ())
        self._written.clear()

    def _checkOriginals(self, message: _Message) -> None:
        """
        A transport that the kernel keeps waiting knows descriptors by number
        only, so that they must stay open until they were sent.
        """
        if message.group is None or not self.connected:
            return
        for descriptor, inode in message.originals:
            try:
                same = os.fstat(descriptor).st_ino == inode
            except OSError:
                same = False
            assert same, f"descriptor {descriptor} was closed before it was sent"


class ChannelPump:
    """
    What is between the two ends of a channel: it moves what was written.

    @ivar first: The transport of the first protocol.
    @ivar second: The transport of the second protocol.
    @ivar patience: After how many steps two protocols talk too much.
    """

    patience = 100_000

    def __init__(self, first: MemoryTransport, second: MemoryTransport) -> None:
        self.first = first
        self.second = second
        first._other, second._other = second, first

    def step(self) -> bool:
        """
        Let each end read once, and close those that are to be closed.

        @return: Whether anything happened.
        """
        happened = [
            self._read(self.first, self.second),
            self._read(self.second, self.first),
        ]
        return any(happened)

    def flush(self) -> None:
        """
        Step until nothing happens any more.

        @raise RuntimeError: if the two protocols do not stop talking.
        """
        for _ in range(self.patience):
            if not self.step():
                return
        raise RuntimeError("the protocols do not stop talking to each other")

    def lose(self, reason: Exception | None = None) -> None:
        """
        Cut the connection: nothing that is on its way arrives.
        """
        self.first.discard()
        self.second.discard()
        failure = Failure(reason or ConnectionLost())
        self.first.close(failure)
        self.second.close(failure)

    def _read(self, reader: MemoryTransport, sender: MemoryTransport) -> bool:
        """
        One end's turn.
        """
        if not reader.connected:
            # Nobody reads here any more.
            sender.discard()
            return False
        if reader.disconnecting:
            reader.close(Failure(ConnectionDone()))
            return True
        if reader.deliver(sender):
            return True
        if not sender.connected:
            reader.close(Failure(ConnectionDone()))
            return True
        return False


def connectedChannels(
    first: IDescriptorProtocol, second: IDescriptorProtocol
) -> ChannelPump:
    """
    Connect two protocols, such as the two links of a channel.

    Nothing moves until the pump does::

        pump = connectedChannels(primarysLink, workersLink)
        asked = primarysLink.sendConnections(loan, connections, insured=False)
        pump.flush()
    """
    pump = ChannelPump(MemoryTransport(first), MemoryTransport(second))
    first.makeConnection(pump.first)
    second.makeConnection(pump.second)
    return pump


@implementer(IDescriptorProtocol)
class _Collector(Protocol):
    """
    Keeps what arrives until somebody asks for it.
    """

    def __init__(self) -> None:
        self.data = b""
        self.group: list[int] = []

    def descriptorsReceived(self, descriptors: list[int]) -> None:
        """
        Keep them.
        """
        self.group = descriptors

    def dataReceived(self, data: bytes) -> None:
        """
        Keep them.
        """
        self.data = data

    def take(self) -> tuple[bytes, list[int]]:
        """
        Give what was kept.
        """
        taken = self.data, self.group
        self.data, self.group = b"", []
        return taken


@implementer(IBlockingChannel)
class MemoryBlockingChannel:
    """
    A channel on which one waits, whose other end is a protocol that answers at
    once, such as the primary's end of the query channel.

    @ivar pump: What is between the two; the first end is the one that waits.
    """

    def __init__(self, answering: IDescriptorProtocol) -> None:
        self._collector = _Collector()
        self.pump = connectedChannels(self._collector, answering)

    def exchange(self, data: bytes) -> tuple[bytes, list[int]]:
        """
        Send, and let the protocol answer.

        @raise ChannelClosed: also if nothing comes, as no more time passes.
        """
        self.pump.first.write(data)
        happens = True
        while happens:
            received, descriptors = self._collector.take()
            if received:
                return received, descriptors
            happens = self.pump.step()
        raise ChannelClosed("nobody answers")


def _close(descriptors: Iterable[int]) -> None:
    """
    Close what nobody is going to use.
    """
    for descriptor in descriptors:
        os.close(descriptor)
