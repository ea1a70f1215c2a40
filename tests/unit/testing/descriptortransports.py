"""
What every transport that carries descriptors does: the real one, and the one in
memory that stands for it in tests.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster.interfaces import IDescriptorProtocol, IDescriptorTransport


@implementer(IDescriptorProtocol)
class Recorder(Protocol):
    """
    Keeps what it is told.

    @ivar data: All bytes that came.
    @ivar groups: How many bytes had come when each group came, and the group.
    @ivar chunks: How many bytes came at once.
    @ivar reasons: Why the connection was lost; once, it should be.
    """

    transport: IDescriptorTransport

    def __init__(self) -> None:
        self.data = b""
        self.groups: list[tuple[int, list[int]]] = []
        self.chunks: list[int] = []
        self.reasons: list[Failure] = []

    def descriptorsReceived(self, descriptors: list[int]) -> None:
        """
        Keep them.
        """
        self.groups.append((len(self.data), descriptors))

    def dataReceived(self, data: bytes) -> None:
        """
        Keep them.
        """
        self.chunks.append(len(data))
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep it.
        """
        self.reasons.append(reason)

    def closeAll(self) -> None:
        """
        Close the descriptors.
        """
        for _, group in self.groups:
            for descriptor in group:
                os.close(descriptor)
        self.groups.clear()


def inode(descriptor: int) -> int:
    """
    What is open there.
    """
    return os.fstat(descriptor).st_ino


class DescriptorTransportContract(DescriptorsCountedTestCase):
    """
    The behaviour; a subclass says how two ends are connected.
    """

    def connect(self, first: Recorder, second: Recorder) -> None:
        """
        Connect two protocols, and see to it that the connection is closed after
        the test.
        """
        raise NotImplementedError

    def moveUntil(self, condition: Callable[[], object]) -> None:
        """
        Let things move until something is the case, which it will be.
        """
        raise NotImplementedError

    def connected(self) -> tuple[Recorder, Recorder]:
        """
        Two connected protocols.
        """
        first, second = Recorder(), Recorder()
        self.connect(first, second)
        self.addCleanup(first.closeAll)
        self.addCleanup(second.closeAll)
        return first, second

    def test_interface(self) -> None:
        """
        It provides the interface, and its addresses provide theirs.
        """
        first, _ = self.connected()
        verifyObject(IDescriptorTransport, first.transport)
        verifyObject(IAddress, first.transport.getHost())
        verifyObject(IAddress, first.transport.getPeer())

    def test_bytes(self) -> None:
        """
        Bytes go both ways, and stay in order.
        """
        first, second = self.connected()
        first.transport.write(b"one")
        first.transport.writeSequence([b",", b"two"])
        second.transport.write(b"back")
        self.moveUntil(lambda: len(second.data) == 7 and len(first.data) == 4)
        self.assertEqual((first.data, second.data), (b"back", b"one,two"))
        self.assertEqual(first.groups + second.groups, [])

    def test_nothing(self) -> None:
        """
        Writing nothing does nothing, and does not send descriptors either.
        """
        first, second = self.connected()
        first.transport.writeWithDescriptors(b"", [self.aDescriptor()])
        first.transport.write(b"")
        first.transport.write(b"x")
        self.moveUntil(lambda: second.data)
        self.assertEqual((second.data, second.groups), (b"x", []))

    def test_descriptors(self) -> None:
        """
        A group arrives before the bytes that it was written with.  What arrives
        is the receiver's own: it is another number for the same thing, and
        closed in programs that are started from now on.
        """
        first, second = self.connected()
        sent = [self.aDescriptor(), self.aDescriptor()]
        first.transport.write(b"before")
        first.transport.writeWithDescriptors(b"with", sent)
        self.moveUntil(lambda: len(second.data) == 10)
        [(position, group)] = second.groups
        self.assertIn(position, (0, 6))
        self.assertEqual([*map(inode, group)], [*map(inode, sent)])
        self.assertFalse(set(group) & set(sent))
        for descriptor in group:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFD)
            self.assertTrue(flags & fcntl.FD_CLOEXEC)

    def test_groupsStayApart(self) -> None:
        """
        No bytes of one group's message arrive together with the next group.
        """
        first, second = self.connected()
        sent = [self.aDescriptor() for _ in range(5)]
        for count, descriptor in enumerate(sent):
            first.transport.writeWithDescriptors(b"%d" % count * 10, [descriptor])
        self.moveUntil(lambda: len(second.data) == 50)
        self.assertEqual([at for at, _ in second.groups], [0, 10, 20, 30, 40])
        self.assertEqual(
            [inode(group[0]) for _, group in second.groups], [*map(inode, sent)]
        )

    def test_full(self) -> None:
        """
        As many descriptors go at once as Linux takes.
        """
        first, second = self.connected()
        descriptor = self.aDescriptor()
        first.transport.writeWithDescriptors(b"all", [descriptor] * 253)
        self.moveUntil(lambda: second.data)
        [(_, group)] = second.groups
        self.assertEqual([*map(inode, group)], [inode(descriptor)] * 253)

    def test_tooMany(self) -> None:
        """
        One more is refused, and nothing of that is sent.
        """
        first, second = self.connected()
        descriptor = self.aDescriptor()
        with self.assertRaises(ValueError):
            first.transport.writeWithDescriptors(b"all", [descriptor] * 254)
        first.transport.write(b"next")
        self.moveUntil(lambda: second.data)
        self.assertEqual((second.data, second.groups), (b"next", []))

    def test_large(self) -> None:
        """
        What is larger than any buffer arrives in pieces; the descriptors come
        with the first of them, once.
        """
        first, second = self.connected()
        descriptor = self.aDescriptor()
        data = os.urandom(1000) * 1000
        first.transport.writeWithDescriptors(data, [descriptor])
        first.transport.write(b"end")
        self.moveUntil(lambda: len(second.data) == len(data) + 3)
        self.assertEqual(second.data, data + b"end")
        self.assertGreater(len(second.chunks), 1)
        [(position, group)] = second.groups
        self.assertEqual((position, inode(group[0])), (0, inode(descriptor)))

    def test_close(self) -> None:
        """
        What was written before one end closes arrives, and both are told then,
        cleanly and once.  What is written later is dropped.
        """
        first, second = self.connected()
        descriptor = self.aDescriptor()
        first.transport.writeWithDescriptors(b"last", [descriptor])
        first.transport.loseConnection()
        first.transport.writeWithDescriptors(b"late", [descriptor])
        self.assertEqual(first.reasons, [])
        self.moveUntil(lambda: first.reasons and second.reasons)
        first.transport.writeWithDescriptors(b"later", [descriptor])
        second.transport.write(b"later")
        second.transport.loseConnection()
        self.assertEqual(second.data, b"last")
        self.assertEqual(len(second.groups), 1)
        for protocol in (first, second):
            [reason] = protocol.reasons
            reason.trap(ConnectionDone)

    def test_abort(self) -> None:
        """
        An end that is aborted closes without sending what waits and without
        delivering anything more, though not before its caller goes on.
        """
        first, second = self.connected()
        first.transport.write(bytes(10_000_000))
        second.transport.write(b"unread")
        self.assertGreater(first.transport.unsent, 0)
        first.transport.abortConnection()
        first.transport.abortConnection()
        first.transport.write(b"later")
        self.assertEqual((first.transport.unsent, first.reasons), (0, []))
        self.moveUntil(lambda: first.reasons and second.reasons)
        first.transport.abortConnection()
        self.assertEqual(first.data, b"")
        self.assertLess(len(second.data), 10_000_000)
        self.assertEqual((len(first.reasons), len(second.reasons)), (1, 1))

    def test_abortWhileClosing(self) -> None:
        """
        So is one that was asked to close, and waits until all is read.
        """
        first, second = self.connected()
        first.transport.write(bytes(10_000_000))
        first.transport.loseConnection()
        first.transport.abortConnection()
        self.moveUntil(lambda: first.reasons and second.reasons)
        self.assertLess(len(second.data), 10_000_000)

    def test_unsent(self) -> None:
        """
        What is read does not wait any more.
        """
        first, second = self.connected()
        first.transport.write(bytes(1_000_000))
        first.transport.write(b"end")
        self.moveUntil(lambda: len(second.data) == 1_000_003)
        self.assertEqual(first.transport.unsent, 0)

    def test_closeUnread(self) -> None:
        """
        Descriptors that arrive at an end that is closing are closed.
        """
        first, second = self.connected()
        second.transport.loseConnection()
        first.transport.writeWithDescriptors(b"unread", [self.aDescriptor()])
        self.moveUntil(lambda: first.reasons and second.reasons)
        self.assertEqual((second.data, second.groups), (b"", []))

    def test_readToTheEnd(self) -> None:
        """
        What the other end has written is delivered at once if somebody asks, with
        its descriptors, also when that end is closed; its end is told as usual.
        """
        first, second = self.connected()
        data = os.urandom(1000) * 100
        descriptor = self.aDescriptor()
        second.transport.write(data)
        second.transport.writeWithDescriptors(b"last", [descriptor])
        second.transport.loseConnection()
        first.transport.readToTheEnd()
        self.assertEqual(first.data, data + b"last")
        [(_, group)] = first.groups
        self.assertEqual([*map(inode, group)], [inode(descriptor)])
        self.moveUntil(lambda: first.reasons)
        first.reasons[0].trap(ConnectionDone)
        first.transport.readToTheEnd()
        self.assertEqual(len(first.reasons), 1)

    def test_readToTheEndOfNothing(self) -> None:
        """
        When nothing is there, nothing is delivered, and all goes on.
        """
        first, second = self.connected()
        first.transport.readToTheEnd()
        self.assertEqual(first.chunks, [])
        second.transport.write(b"x")
        self.moveUntil(lambda: first.data)

    def test_readToTheEndClosing(self) -> None:
        """
        A protocol that closes its transport is given no more, from then on.
        """

        class Closing(Recorder):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.transport.loseConnection()

        first, second = Closing(), Recorder()
        self.connect(first, second)
        self.addCleanup(first.closeAll)
        # A group ends what is read at once.
        second.transport.writeWithDescriptors(b"first", [self.aDescriptor()])
        second.transport.write(b"second")
        first.transport.readToTheEnd()
        first.transport.readToTheEnd()
        self.assertEqual(first.chunks, [5])
        self.moveUntil(lambda: first.reasons)
        first.transport.readToTheEnd()
        self.assertEqual(first.chunks, [5])
