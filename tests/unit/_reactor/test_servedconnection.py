"""
Tests of L{twisted_cluster._reactor.servedconnection}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server
from twisted.internet.unix import Server as UNIXServer
from twisted.python.failure import Failure

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor.servedconnection import (
    ServedTCPConnection,
    ServedUNIXConnection,
)
from twisted_cluster._reactor.serving import Serving


class Listening(Protocol):
    """
    Keeps whether it heard in a conversation.
    """

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.heard: list[tuple[bytes, bool]] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.heard.append((data, self.serving.inConversation))


class Failing(Protocol):
    """
    Cannot take its own end.
    """

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Fail.
        """
        raise ZeroDivisionError


class CountingPort:
    """
    A port that counts its connections.

    @ivar count: How many are open.
    """

    _realPortNumber = 0

    def __init__(self) -> None:
        self.count = 0

    def connectionMade(self) -> None:
        """
        One more.
        """
        self.count += 1

    def connectionServed(self) -> None:
        """
        One less.
        """
        self.count -= 1


class ServedConnectionTests(RealReactorTestCase):
    """
    Tests of L{ServedTCPConnection} and L{ServedUNIXConnection}.
    """

    def serve(self, kind: Any, protocol: Protocol) -> tuple[Any, socket.socket]:
        """
        Serve a client.

        @return: The connection, and the client's end.
        """
        reactor: Any = self.reactor
        reactor.serving = self.serving
        ours, theirs = self.socketPair()
        ours.setblocking(False)
        address: Any = ("127.0.0.1", 1) if kind is ServedTCPConnection else ""
        connection = kind(ours, protocol, address, self.port, 0, reactor)
        protocol.makeConnection(connection)
        return connection, theirs

    def setUp(self) -> None:
        """
        Know what is served.
        """
        super().setUp()
        self.serving = Serving(self.reactor)
        self.port = CountingPort()

    def test_conversation(self) -> None:
        """
        What a client says is heard in a conversation; its connection is counted
        until it is closed, here and by its port.
        """
        self.converse(ServedTCPConnection, Server)
        self.converse(ServedUNIXConnection, UNIXServer)

    def converse(self, kind: Any, base: Any) -> None:
        """
        Serve a client from beginning to end.
        """
        self.assertTrue(issubclass(kind, base))
        protocol = Listening(self.serving)
        connection, client = self.serve(kind, protocol)
        self.assertEqual(self.serving.connections, {connection})
        self.assertEqual(self.port.count, 1)
        client.send(b"hello")
        self.turnUntil(lambda: protocol.heard)
        self.assertEqual(protocol.heard, [(b"hello", True)])
        self.assertFalse(self.serving.inConversation)
        client.close()
        self.turnUntil(lambda: not self.serving.connections)
        self.assertEqual(self.port.count, 0)

    def test_failingProtocol(self) -> None:
        """
        A connection whose protocol fails at its end is over all the same.
        """
        connection, _ = self.serve(ServedTCPConnection, Failing())
        served = self.serving.whenServed()
        self.assertRaises(
            ZeroDivisionError, connection.connectionLost, Failure(ConnectionDone())
        )
        self.successResultOf(served)
        self.assertEqual(self.port.count, 0)
