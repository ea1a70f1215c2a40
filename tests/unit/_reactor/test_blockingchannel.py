"""
Tests of L{twisted_cluster._reactor.blockingchannel}.
"""

from __future__ import annotations

import os
import socket
from threading import Thread

from zope.interface.verify import verifyObject

from tests.unit.realreactor import PATIENCE, DescriptorsCountedTestCase
from twisted_cluster._reactor.blockingchannel import ANSWER_TIMEOUT, BlockingChannel
from twisted_cluster._wire.descriptors import closeAll, inodeOf
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import IBlockingChannel


class BlockingChannelTests(DescriptorsCountedTestCase):
    """
    Tests of L{BlockingChannel}.
    """

    def setUp(self) -> None:
        """
        Make one end a channel.
        """
        super().setUp()
        self.ours, self.theirs = self.socketPair()
        self.theirs.settimeout(PATIENCE)
        self.channel = BlockingChannel(self.ours)

    def test_interface(self) -> None:
        """
        It is a channel on which one waits; not forever.
        """
        verifyObject(IBlockingChannel, self.channel)
        self.assertEqual(self.ours.gettimeout(), ANSWER_TIMEOUT)

    def test_exchange(self) -> None:
        """
        It sends everything, and returns what comes, which may be a part.
        """
        question = b"?" * 1_000_000
        asked = bytearray()

        def answer() -> None:
            while len(asked) < len(question):
                asked.extend(self.theirs.recv(65536))
            self.theirs.sendall(b"answer")

        thread = Thread(target=answer, daemon=True)
        thread.start()
        self.assertEqual(self.channel.exchange(question), (b"answer", []))
        thread.join(PATIENCE)
        self.assertEqual(asked, question)

    def test_wait(self) -> None:
        """
        With nothing to send it only waits.
        """
        self.theirs.sendall(b"more")
        self.assertEqual(self.channel.exchange(b""), (b"more", []))
        self.theirs.setblocking(False)
        self.assertRaises(BlockingIOError, self.theirs.recv, 1)

    def test_descriptors(self) -> None:
        """
        Descriptors that come belong to the caller.
        """
        sent = self.aDescriptor()
        socket.send_fds(self.theirs, [b"here"], [sent])
        data, received = self.channel.exchange(b"please")
        self.assertEqual(data, b"here")
        self.assertEqual([*map(inodeOf, received)], [inodeOf(sent)])
        self.assertFalse(os.get_inheritable(received[0]))
        closeAll(received)

    def test_gone(self) -> None:
        """
        A primary that has ended does not answer; neither later.
        """
        self.theirs.close()
        for data in (b"", b"anybody there?", b""):
            with self.assertRaisesRegex(ChannelClosed, "gone"):
                self.channel.exchange(data)

    def test_silence(self) -> None:
        """
        One that says nothing for too long is given up: an answer that comes
        later is not taken for the next question's.
        """
        ours, theirs = self.socketPair()
        channel = BlockingChannel(ours, timeout=0.01)
        with self.assertRaisesRegex(ChannelClosed, "does not answer"):
            channel.exchange(b"hello?")
        with self.assertRaises(BrokenPipeError):
            theirs.sendall(b"late")
        with self.assertRaises(ChannelClosed):
            channel.exchange(b"hello?")
