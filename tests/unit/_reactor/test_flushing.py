"""
Tests of L{twisted_cluster._reactor.flushing}.
"""

from __future__ import annotations

import socket
from threading import Thread
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.flushing import flush
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster.errors import ChannelClosed

MESSAGES = [{"n": n, "text": "x" * 1000} for n in range(5000)]


class FlushTests(RealReactorTestCase):
    """
    Tests for L{flush}: the reactor never turns.
    """

    def setUp(self) -> None:
        """
        A channel whose other end is a socket.
        """
        super().setUp()
        ours, self.theirs = self.socketPair()
        self.link = MessagingChannel(JSONCodec())
        self.transport = DescriptorTransport(self.reactor, ours, self.link)
        self.transport.open()
        self.addCleanup(self.close)

    def close(self) -> None:
        """
        Close our end.
        """
        self.transport.connectionLost(Failure(ConnectionDone()))

    def isDone(self) -> bool:
        """
        Whether everything was delivered.
        """
        return not self.link.undelivered

    def receiveElsewhere(self, received: list[Any]) -> Thread:
        """
        Let a thread be the other process, until our end is closed.
        """
        link = MessagingChannel(JSONCodec())
        reactor = type(self.reactor)()
        transport = DescriptorTransport(reactor, self.theirs, link)
        transport.open()
        link.receiveMessages(lambda message, handle: received.append(message))

        def receive() -> None:
            flush(transport, lambda: len(received) == len(MESSAGES), 10)
            for reader in reactor._internalReaders:
                reader.connectionLost(None)

        thread = Thread(target=receive)
        thread.start()
        return thread

    def test_everything(self) -> None:
        """
        All that was sent before is delivered, much more than the kernel holds.
        """
        received: list[Any] = []
        sent = [self.link.sendMessage(message) for message in MESSAGES]
        thread = self.receiveElsewhere(received)
        self.assertTrue(flush(self.transport, self.isDone, 10))
        thread.join()
        self.assertEqual(received, MESSAGES)
        self.assertTrue(all(each.called for each in sent))

    def test_nothing(self) -> None:
        """
        If there is nothing to do, it is done at once.
        """
        self.assertTrue(flush(self.transport, self.isDone, 0))

    def test_tooLate(self) -> None:
        """
        It gives up after a while on a process that does not read.
        """
        sent = self.link.sendMessage("x" * 1_000_000)
        self.assertFalse(flush(self.transport, self.isDone, 0.05))
        self.assertNoResult(sent)
        sent.addErrback(lambda _: None)

    def test_lost(self) -> None:
        """
        It gives up at once on a process that is gone.
        """
        sent = self.link.sendMessage("x" * 1_000_000)
        self.theirs.shutdown(socket.SHUT_RDWR)
        self.assertFalse(flush(self.transport, self.isDone, 10))
        self.failureResultOf(sent, ChannelClosed)
