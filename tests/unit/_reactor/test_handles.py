"""
Tests of L{twisted_cluster._reactor.handles}.
"""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any, cast

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Factory, Protocol
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor.handles import (
    UNREAD_LIMIT,
    Departure,
    Handles,
    ReceivedConnection,
    ReceivedDatagramPort,
    ReceivedPort,
    attach,
    detach,
)
from twisted_cluster._wire.lanes import Handle
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.interfaces import ISending


class Peer(Protocol):
    """
    Keeps what it is given.
    """

    def __init__(self) -> None:
        self.data = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.data += data

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        """
        Keep it.
        """
        self.reason = reason


class Pausing(Peer):
    """
    Does not read at first.
    """

    def connectionMade(self) -> None:
        """
        Wait.
        """
        assert self.transport is not None
        cast(Any, self.transport).pauseProducing()


class Closing(Peer):
    """
    Wants no connection.
    """

    def connectionMade(self) -> None:
        """
        Close it.
        """
        assert self.transport is not None
        self.transport.loseConnection()


class Failing(Peer):
    """
    Cannot read.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Fail.
        """
        raise ZeroDivisionError


class Datagrams(DatagramProtocol):
    """
    Keeps what it is given.
    """

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Keep it.
        """
        self.data.append(datagram)


def cross(departure: Departure) -> Handle:
    """
    What arrives in the other process.
    """
    handle = departure.handle
    return Handle(handle.description, os.dup(handle.descriptor))


class HandlesCase(RealReactorTestCase):
    """
    What these tests share.
    """

    def setUp(self) -> None:
        """
        Nothing was built yet.
        """
        # Twisted opens it with the first port, and keeps it.
        tcp._reservedFD.reserve()
        super().setUp()
        self.built: list[Peer] = []
        self.factory = Factory.forProtocol(self.build)

    def build(self) -> Peer:
        """
        A protocol that is remembered.
        """
        return self.remembering(Peer())

    def remembering(self, peer: Peer) -> Peer:
        """
        It.
        """
        self.built.append(peer)
        return peer

    def stop(self, port: Any) -> None:
        """
        Close a port.
        """
        self.assertNoResult(stopped := port.stopListening())
        self.turnUntil(lambda: stopped.called)

    def part(self, peer: Peer) -> None:
        """
        Close a connection.
        """
        if peer.reason is None:
            assert peer.transport is not None
            peer.transport.loseConnection()
            self.turnUntil(lambda: peer.reason)

    def connection(self) -> tuple[socket.socket, Peer]:
        """
        A client's socket, and the protocol that serves it.
        """
        port = self.reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        count = len(self.built)
        client = socket.create_connection(("127.0.0.1", port.getHost().port), 10)
        self.addCleanup(client.close)
        self.turnUntil(lambda: len(self.built) > count)
        self.stop(port)
        peer = self.built[-1]
        self.addCleanup(self.part, peer)
        return client, peer


class ConnectionTests(HandlesCase):
    """
    Tests for connections.
    """

    def receive(self, departure: Departure, factory: Any = None) -> Peer:
        """
        Serve it as another process would.
        """
        received = attach(self.reactor, cross(departure))
        assert isinstance(received, ReceivedConnection)
        received.serve(factory or self.factory)
        self.addCleanup(self.part, self.built[-1])
        return self.built[-1]

    def test_moved(self) -> None:
        """
        What the client sends before, meanwhile and after is read there and not
        here; our end closes without the client's noticing.
        """
        client, here = self.connection()
        client.sendall(b"1")
        self.turnUntil(lambda: here.data)
        departure = detach(here.transport, unread=here.data)
        client.sendall(b"2")
        self.turn()
        there = self.receive(departure)
        departure.delivered()
        self.assertIsInstance(here.reason, Failure)
        self.assertIsNotNone(here.reason and here.reason.check(ConnectionDone))
        client.sendall(b"3")
        self.turnUntil(lambda: there.data == b"123")
        self.assertEqual(here.data, b"1")
        assert there.transport is not None
        there.transport.write(b"answer")
        self.turn()
        self.assertEqual(client.recv(100), b"answer")

    def test_pausing(self) -> None:
        """
        A protocol that does not read yet is given what was read before when it does,
        and then what comes behind it; pausing again puts that off.
        """
        client, here = self.connection()
        departure = detach(here.transport, unread=b"1")
        client.sendall(b"2")
        there = self.receive(departure, self.remembering(Pausing()))
        departure.delivered()
        transport: Any = there.transport
        for _ in range(2):
            self.turn()
            self.assertEqual(there.data, b"")
            transport.resumeProducing()
            transport.pauseProducing()
        transport.resumeProducing()
        self.assertEqual(there.data, b"")
        self.turnUntil(lambda: there.data == b"12")

    def test_closing(self) -> None:
        """
        One that closes the connection is given nothing.
        """
        client, here = self.connection()
        departure = detach(here.transport, unread=b"1")
        there = self.receive(departure, self.remembering(Closing()))
        departure.delivered()
        self.turnUntil(lambda: there.reason)
        self.assertEqual((there.data, client.recv(10)), (b"", b""))

    def test_failing(self) -> None:
        """
        The connection of one that fails with it is closed, as if it had just been
        read.
        """
        client, here = self.connection()
        departure = detach(here.transport, unread=b"1")
        there = self.receive(departure, self.remembering(Failing()))
        departure.delivered()
        self.turnUntil(lambda: there.reason)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertRaises(ConnectionResetError, client.recv, 10)

    def test_protocol(self) -> None:
        """
        Instead of a factory there may be a protocol.
        """
        client, here = self.connection()
        departure = detach(here.transport)
        there = self.receive(departure, self.build())
        departure.delivered()
        client.sendall(b"x")
        self.turnUntil(lambda: there.data)
        self.assertIsNot(there, here)

    def test_refusedByFactory(self) -> None:
        """
        A factory that builds nothing closes the connection.
        """
        client, here = self.connection()
        departure = detach(here.transport, unread=b"x")
        received: Any = attach(self.reactor, cross(departure))
        departure.delivered()

        class Refusing(Factory):
            def buildProtocol(self, addr: Any) -> None:
                return None

        received.serve(Refusing())
        self.assertEqual(client.recv(10), b"")

    def test_failed(self) -> None:
        """
        If it was not delivered, it is read here again.
        """
        client, here = self.connection()
        departure = detach(here.transport)
        client.sendall(b"x")
        self.turn()
        self.assertEqual(here.data, b"")
        departure.failed()
        self.turnUntil(lambda: here.data)

    def test_failedPaused(self) -> None:
        """
        Not so if it was paused before.
        """
        client, here = self.connection()
        transport: Any = here.transport
        transport.pauseProducing()
        detach(transport).failed()
        client.sendall(b"x")
        self.turn()
        self.assertEqual(here.data, b"")

    def test_keepOpen(self) -> None:
        """
        Both processes can write if it is kept open.
        """
        client, here = self.connection()
        departure = detach(here.transport, keepOpen=True)
        there = self.receive(departure)
        assert here.transport is not None
        assert there.transport is not None
        there.transport.write(b"there")
        self.turn()
        departure.delivered()
        here.transport.write(b"here")
        self.turn()
        self.assertIsNone(here.reason)
        self.assertEqual(client.recv(100), b"therehere")

    def test_closedHere(self) -> None:
        """
        Whoever closes one that was sent does not end it for the other process,
        whether the delivery is known by then or not, and whoever keeps it open.
        """
        for keepOpen in (False, True):
            client, here = self.connection()
            departure = detach(here.transport, keepOpen=keepOpen)
            there = self.receive(departure)
            assert here.transport is not None
            here.transport.loseConnection()
            while here.reason is None:
                self.turn()
            departure.delivered()
            assert there.transport is not None
            there.transport.write(b"still here")
            self.turn()
            self.assertEqual(client.recv(100), b"still here")

    def test_closedAfterFailure(self) -> None:
        """
        One that stayed here is closed as ever.
        """
        client, here = self.connection()
        departure = detach(here.transport)
        other = cross(departure)
        departure.failed()
        assert here.transport is not None
        here.transport.loseConnection()
        self.turnUntil(lambda: here.reason)
        self.assertEqual(client.recv(100), b"")
        os.close(other.descriptor)

    def test_endedMeanwhile(self) -> None:
        """
        Nothing happens to one that ended before the delivery was known.
        """
        _, here = self.connection()
        transport: Any = here.transport
        first, second = detach(transport), detach(transport)
        transport.abortConnection()
        self.turnUntil(lambda: here.reason)
        first.delivered()
        second.failed()

    def test_dead(self) -> None:
        """
        One whose client is gone when it is to be served says so, and is closed.
        """
        client, here = self.connection()
        departure = detach(here.transport)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        received: Any = attach(self.reactor, cross(departure))
        departure.delivered()
        self.assertRaises(ConnectionLost, received.serve, self.factory)

    def test_refused(self) -> None:
        """
        One with unsent bytes, a producer, an encrypted, closing or closed one is
        refused, and read on.
        """
        client, here = self.connection()
        transport: Any = here.transport
        transport.write(b"x")
        problem = self.assertRaises(ConfigurationError, detach, transport)
        self.assertIn("bytes to send", str(problem))
        self.turn()
        transport.registerProducer(object(), streaming=True)
        problem = self.assertRaises(ConfigurationError, detach, transport)
        self.assertIn("a producer", str(problem))
        transport.unregisterProducer()
        transport.TLS = True
        self.assertRaises(ConfigurationError, detach, transport)
        transport.TLS = False
        with self.assertRaises(ConfigurationError):
            detach(transport, unread=b"x" * (UNREAD_LIMIT + 1))
        client.sendall(b"x")
        self.turnUntil(lambda: here.data)
        transport.loseConnection()
        self.assertRaises(ConfigurationError, detach, transport)
        self.turnUntil(lambda: here.reason)
        self.assertRaises(ConfigurationError, detach, transport)

    def test_client(self) -> None:
        """
        A connection that this process made, and one on a UNIX socket, can be sent
        as well.
        """
        path = str(Path(tempfile.mkdtemp()) / "socket")
        listening = self.reactor.listenUNIX(path, self.factory)
        connected: list[Peer] = []

        class Connecting(ClientFactory):
            def buildProtocol(self, addr: Any) -> Peer:
                connected.append(Peer())
                return connected[-1]

        self.reactor.connectUNIX(path, Connecting())
        self.turnUntil(lambda: connected and self.built)
        (server,) = self.built
        self.addCleanup(self.part, server)
        departure = detach(connected[0].transport)
        there = self.receive(departure)
        departure.delivered()
        assert server.transport is not None
        server.transport.write(b"x")
        self.turnUntil(lambda: there.data)
        self.stop(listening)


class PortTests(HandlesCase):
    """
    Tests for listening ports and datagram ports.
    """

    def assertShared(self, port: Any, connect: Any) -> None:
        """
        Assert that another process can accept from a port, also after this one has
        closed its own.
        """
        departure = detach(port)
        received = attach(self.reactor, cross(departure))
        departure.delivered()
        assert isinstance(received, ReceivedPort)
        verifyObject(IStreamServerEndpoint, received)
        there = self.successResultOf(received.listen(self.factory))
        self.stop(port)
        count = len(self.built)
        client = connect()
        self.addCleanup(client.close)
        self.turnUntil(lambda: len(self.built) > count)
        client.sendall(b"x")
        self.turnUntil(lambda: self.built[-1].data)
        self.part(self.built[-1])
        self.stop(there)

    def test_tcp(self) -> None:
        """
        A TCP port is shared.
        """
        port = self.reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        address = ("127.0.0.1", port.getHost().port)
        self.assertShared(port, lambda: socket.create_connection(address, 10))

    def test_unix(self) -> None:
        """
        A UNIX port is shared, and the receiver leaves its path as it is: who made
        it removes it.
        """
        path = str(Path(tempfile.mkdtemp()) / "socket")
        port = self.reactor.listenUNIX(path, self.factory, mode=0o600)
        departure = detach(port)
        received: Any = attach(self.reactor, cross(departure))
        departure.delivered()
        there = self.successResultOf(received.listen(self.factory))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.stop(there)
        self.assertTrue(os.path.exists(path))
        os.link(path, path + "2")

        def connect() -> socket.socket:
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(10)
            client.connect(path + "2")
            return client

        self.assertShared(port, connect)
        self.assertFalse(os.path.exists(path))

    def test_datagrams(self) -> None:
        """
        A datagram port is shared.
        """
        port = self.reactor.listenUDP(0, Datagrams(), interface="127.0.0.1")
        address = ("127.0.0.1", port.getHost().port)
        departure = detach(port)
        received = attach(self.reactor, cross(departure))
        departure.delivered()
        assert isinstance(received, ReceivedDatagramPort)
        datagrams = Datagrams()
        there = received.listen(datagrams)
        self.stop(port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", address)
            self.turnUntil(lambda: datagrams.data)
        self.stop(there)

    def test_closedMeanwhile(self) -> None:
        """
        One that is closed here before it was sent, arrives all the same.
        """
        port = self.reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        address = ("127.0.0.1", port.getHost().port)
        departure = detach(port)
        self.stop(port)
        received: Any = attach(self.reactor, cross(departure))
        departure.delivered()
        there = self.successResultOf(received.listen(self.factory))
        with socket.create_connection(address, 10):
            self.turnUntil(lambda: self.built)
        self.turnUntil(lambda: self.built[-1].reason)
        self.stop(there)

    def test_closed(self) -> None:
        """
        A port that is closed cannot be sent.
        """
        port = self.reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.stop(port)
        self.assertRaises(ConfigurationError, detach, port)

    def test_unwanted(self) -> None:
        """
        What is not wanted can be closed.
        """
        port = self.reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        departure = detach(port)
        received: Any = attach(self.reactor, cross(departure))
        departure.delivered()
        received.close()
        self.stop(port)


class SocketTests(HandlesCase):
    """
    Tests for plain sockets, and for what cannot be sent.
    """

    def test_socket(self) -> None:
        """
        A socket arrives as one, and ours is closed, without an end of the
        connection.
        """
        ours, other = self.socketPair()
        departure = detach(ours)
        received = attach(self.reactor, cross(departure))
        departure.delivered()
        self.assertEqual(ours.fileno(), -1)
        assert isinstance(received, socket.socket)
        self.addCleanup(received.close)
        other.sendall(b"x")
        self.assertEqual(received.recv(10), b"x")
        self.assertEqual(received.family, socket.AF_UNIX)

    def test_closedMeanwhile(self) -> None:
        """
        One that is closed before it was sent is not taken for what has its number
        by then.
        """
        ours, other = self.socketPair()
        departure = detach(ours)
        ours.close()
        unrelated, _ = self.socketPair()
        received: Any = attach(self.reactor, cross(departure))
        self.addCleanup(received.close)
        departure.delivered()
        other.sendall(b"x")
        received.settimeout(10)
        self.assertEqual(received.recv(10), b"x")
        self.assertFalse(os.path.sameopenfile(received.fileno(), unrelated.fileno()))

    def test_keptOpen(self) -> None:
        """
        Ours stays open if that is wanted, or if it was not delivered.
        """
        ours, _ = self.socketPair()
        detach(ours, keepOpen=True).delivered()
        detach(ours).failed()
        self.assertGreaterEqual(ours.fileno(), 0)

    def test_others(self) -> None:
        """
        Nothing else can be sent, nor bytes with anything but a connection.
        """
        ours, _ = self.socketPair()
        self.assertRaises(ConfigurationError, detach, object())
        with self.assertRaises(ConfigurationError):
            detach(ours, unread=b"x")
        ours.close()
        self.assertRaises(ConfigurationError, detach, ours)

    def test_nonsense(self) -> None:
        """
        A description that makes no sense is refused, and its descriptor closed.
        """
        for description in (
            *("", "[]", "{}", '{"kind": "cat"}', '{"kind": 1}'),
            "[" * 50_000,
        ):
            ours, _ = self.socketPair()
            handle = Handle(description, os.dup(ours.fileno()))
            self.assertRaises(ValueError, attach, self.reactor, handle)
        self.assertRaises(
            ValueError,
            attach,
            self.reactor,
            Handle('{"kind": "socket"}', os.open("/dev/null", os.O_RDONLY)),
        )

    def test_encrypted(self) -> None:
        """
        An encrypted socket is refused, and stays open: what encrypts it is here.
        """
        ours, _ = self.socketPair()
        encrypted = ssl.create_default_context().wrap_socket(
            ours, do_handshake_on_connect=False, server_hostname="localhost"
        )
        self.addCleanup(encrypted.close)
        problem = self.assertRaises(ConfigurationError, detach, encrypted)
        self.assertIn("encrypted", str(problem))
        self.assertGreater(encrypted.fileno(), 0)

    def test_unixDatagrams(self) -> None:
        """
        A UNIX datagram port is refused: the other process could not use it.
        """
        path = str(Path(tempfile.mkdtemp()) / "socket")
        port = self.reactor.listenUNIXDatagram(path, Datagrams())
        problem = self.assertRaises(ConfigurationError, detach, port)
        self.assertIn("DatagramPort cannot be sent", str(problem))
        self.stop(port)

    def test_sentOn(self) -> None:
        """
        What was received can be sent on, if it was not used.
        """
        ours, other = self.socketPair()
        sent = detach(ours, keepOpen=True)
        first = cross(sent)
        sent.delivered()
        words = first.description.replace('"socket"', '"connection"')
        unread = words[:-1] + ', "unread": "aGk="}'
        received = attach(self.reactor, Handle(unread, first.descriptor))
        assert isinstance(received, ReceivedConnection)
        departure = detach(received)
        onward = attach(self.reactor, cross(departure))
        departure.delivered()
        assert isinstance(onward, ReceivedConnection)
        self.addCleanup(onward.close)
        self.assertEqual(onward.unread, b"hi")
        other.sendall(b"x")
        self.assertEqual(onward.socket.recv(10), b"x")
        self.assertRaises(ConfigurationError, detach, received)


class TwiceTests(HandlesCase):
    """
    What is sent again while it is on its way.
    """

    def setUp(self) -> None:
        """
        Send for one reactor.
        """
        super().setUp()
        self.handles = Handles(self.reactor)

    def given(self) -> list[Any]:
        """
        One of each kind that can be given away.
        """
        _, peer = self.connection()
        ours, _ = self.socketPair()
        received = ReceivedConnection(self.reactor, self.socketPair()[0])
        return [peer.transport, ours, received]

    def test_twice(self) -> None:
        """
        What is given away goes with one message only.  It can be sent again if that
        did not arrive.
        """
        for thing in self.given():
            first = self.handles.detach(thing, False, b"")
            for keepOpen in (False, True):
                with capturedLogs() as events:
                    second = self.handles.detach(thing, keepOpen, b"")
                self.assertIs(events[0]["thing"], thing)
                self.assertTrue(verifyObject(ISending, second))
                self.assertIsNone(second.handle)
                second.delivered()
                second.failed()
            first.failed()
            again = self.handles.detach(thing, False, b"")
            self.assertIsNotNone(again.handle)
            again.delivered()
            self.assertRaises(
                ConfigurationError, self.handles.detach, thing, False, b""
            )

    def test_shared(self) -> None:
        """
        What stays open here can be sent to any number.
        """
        port = self.reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        for thing in [*self.given(), port]:
            sent = [self.handles.detach(thing, True, b"") for _ in range(2)]
            for departure in sent:
                self.assertIsNotNone(departure.handle)
                departure.delivered()
        self.stop(port)
