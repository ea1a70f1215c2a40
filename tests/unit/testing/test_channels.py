"""
Tests of L{twisted_cluster.testing.channels}.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from zope.interface.verify import verifyObject

from tests.unit.realreactor import DescriptorsCountedTestCase
from tests.unit.testing.descriptortransports import (
    DescriptorTransportContract,
    Recorder,
    inode,
)
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import IBlockingChannel
from twisted_cluster.testing.channels import (
    ChannelPump,
    MemoryBlockingChannel,
    connectedChannels,
)


class MemoryTransportContractTests(DescriptorTransportContract):
    """
    The transport in memory behaves as the real one does.
    """

    def connect(self, first: Recorder, second: Recorder) -> None:
        """
        Connect them in memory.
        """
        self.pump = connectedChannels(first, second)
        self.addCleanup(self.pump.lose)

    def moveUntil(self, condition: Callable[[], object]) -> None:
        """
        Everything moves.
        """
        self.pump.flush()
        self.assertTrue(condition())


del DescriptorTransportContract


class Echo(Recorder):
    """
    Sends everything back.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Send it back.
        """
        self.transport.write(data)


class Generous(Recorder):
    """
    Answers with a descriptor.
    """

    give: int

    def dataReceived(self, data: bytes) -> None:
        """
        Answer.
        """
        self.transport.writeWithDescriptors(data.upper(), [self.give])


class ChannelPumpTests(DescriptorsCountedTestCase):
    """
    Tests of L{ChannelPump}, and of what can be made to go wrong.
    """

    def connected(self) -> tuple[Recorder, Recorder, ChannelPump]:
        """
        Two recorders.
        """
        first, second = Recorder(), Recorder()
        pump = connectedChannels(first, second)
        self.addCleanup(pump.lose)
        self.addCleanup(first.closeAll)
        self.addCleanup(second.closeAll)
        return first, second, pump

    def test_nothingMovesByItself(self) -> None:
        """
        What was written arrives when the pump runs, one read for each step.
        """
        first, second, pump = self.connected()
        descriptor = self.aDescriptor()
        first.transport.writeWithDescriptors(b"one", [descriptor])
        first.transport.write(b"two")
        self.assertEqual(second.data, b"")
        self.assertTrue(pump.step())
        self.assertEqual(second.data, b"one")
        self.assertTrue(pump.step())
        self.assertEqual(second.data, b"onetwo")
        self.assertFalse(pump.step())

    @given(cut=st.integers(1, 12), sizes=st.lists(st.integers(1, 9), max_size=5))
    def test_cut(self, cut: int, sizes: list[int]) -> None:
        """
        The bytes can be cut anywhere.  Each group comes with the read that has
        the first byte of its message, and that read has no later message.
        """
        first, second, pump = self.connected()
        pump.second.cut = cut
        descriptor = self.aDescriptor()
        starts: list[int] = []
        for size in sizes:
            first.transport.write(b"-" * size)
            starts.append(sum(sizes[: len(starts)]) * 2 + size)
            first.transport.writeWithDescriptors(b"+" * size, [descriptor])
        pump.flush()
        self.assertEqual(len(second.data), 2 * sum(sizes))
        self.assertTrue(all(chunk <= cut for chunk in second.chunks))
        for start, (position, _) in zip(starts, second.groups, strict=True):
            self.assertLessEqual(position, start)
            self.assertLess(start, position + cut)

    def test_truncate(self) -> None:
        """
        A group can lose descriptors on its way; the next one is whole again.
        """
        first, second, pump = self.connected()
        pump.second.truncations.extend([1, 0])
        sent = [self.aDescriptor(), self.aDescriptor()]
        for data in (b"a", b"b", b"c"):
            first.transport.writeWithDescriptors(data, sent)
        pump.flush()
        self.assertEqual([len(group) for _, group in second.groups], [1, 0, 2])
        self.assertEqual(inode(second.groups[0][1][0]), inode(sent[0]))

    def test_lose(self) -> None:
        """
        When the connection is lost, what was on its way does not arrive, and
        the descriptors in it are closed.
        """
        first, second, pump = self.connected()
        first.transport.writeWithDescriptors(b"x", [self.aDescriptor()])
        pump.lose()
        pump.lose()
        pump.flush()
        self.assertEqual((second.data, second.groups), (b"", []))
        for protocol in (first, second):
            [reason] = protocol.reasons
            reason.trap(ConnectionLost)

    def test_loseWithReason(self) -> None:
        """
        The test can choose why the connection is lost.
        """
        first, _, pump = self.connected()
        pump.lose(ConnectionDone())
        first.reasons[0].trap(ConnectionDone)

    def test_closedBeforeSent(self) -> None:
        """
        It is noticed when the sender of a descriptor closes it too early.
        """
        first, _, pump = self.connected()
        descriptor = os.dup(self.aDescriptor())
        first.transport.writeWithDescriptors(b"x", [descriptor])
        os.close(descriptor)
        with self.assertRaisesRegex(AssertionError, "closed before it was sent"):
            pump.flush()

    def test_closedAfterLoss(self) -> None:
        """
        A sender that has lost its connection may close what it sent.
        """
        first, second, pump = self.connected()
        descriptor = os.dup(self.aDescriptor())
        first.transport.writeWithDescriptors(b"x", [descriptor])
        first.transport.loseConnection()
        pump._read(pump.first, pump.second)
        os.close(descriptor)
        pump.flush()
        self.assertEqual(len(second.groups), 1)

    def test_endlessTalk(self) -> None:
        """
        Two protocols that never stop talking do not stop the test run.
        """
        first, second = Echo(), Echo()
        pump = connectedChannels(first, second)
        pump.patience = 10
        first.transport.write(b"ping")
        with self.assertRaisesRegex(RuntimeError, "do not stop talking"):
            pump.flush()


class MemoryBlockingChannelTests(DescriptorsCountedTestCase):
    """
    Tests of L{MemoryBlockingChannel}.
    """

    def test_exchange(self) -> None:
        """
        It returns what the protocol answers, with the descriptors.
        """
        answering = Generous()
        answering.give = self.aDescriptor()
        channel = MemoryBlockingChannel(answering)
        self.addCleanup(channel.pump.lose)
        verifyObject(IBlockingChannel, channel)
        received, [descriptor] = channel.exchange(b"please")
        self.addCleanup(os.close, descriptor)
        self.assertEqual(received, b"PLEASE")
        self.assertEqual(inode(descriptor), inode(answering.give))

    def test_pieces(self) -> None:
        """
        An answer that comes in pieces is asked for with nothing.
        """
        channel = MemoryBlockingChannel(Echo())
        channel.pump.first.cut = 3
        self.assertEqual(channel.exchange(b"please"), (b"ple", []))
        self.assertEqual(channel.exchange(b""), (b"ase", []))

    def test_noAnswer(self) -> None:
        """
        A protocol that does not answer at once never will.
        """
        channel = MemoryBlockingChannel(Recorder())
        with self.assertRaises(ChannelClosed):
            channel.exchange(b"please")

    def test_closed(self) -> None:
        """
        Nor will one that has closed its end.
        """
        answering = Recorder()
        channel = MemoryBlockingChannel(answering)
        answering.transport.loseConnection()
        for _ in range(2):
            with self.assertRaises(ChannelClosed):
                channel.exchange(b"please")
