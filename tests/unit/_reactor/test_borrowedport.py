"""
Tests of L{twisted_cluster._reactor.borrowedport}.

That these ports are Twisted's own in all other respects is shown by Twisted's
own tests: C{tests.suites}.
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from functools import partial
from typing import Any

from twisted.internet import tcp
from twisted.internet.error import CannotListenError, UnsupportedAddressFamily
from twisted.internet.protocol import (
    DatagramProtocol,
    Factory,
    Protocol,
    connectionDone,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor.handles import detach
from twisted_cluster._reactor.layer import layered
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.events import ListeningAddress
from twisted_cluster.interfaces import IBorrowedPort, IPrimaryPorts
from twisted_cluster.listening import ListenRequest, Loan, PortKind

_SOCKETS = {
    PortKind.TCP: (socket.AF_INET, socket.SOCK_STREAM),
    PortKind.UDP: (socket.AF_INET, socket.SOCK_DGRAM),
    PortKind.UNIX: (socket.AF_UNIX, socket.SOCK_STREAM),
    PortKind.UNIX_DATAGRAM: (socket.AF_UNIX, socket.SOCK_DGRAM),
}


@implementer(IPrimaryPorts)
class Lending:
    """
    A primary that lends whatever it is asked for.

    @ivar returned: The numbers of the loans that were given back.
    @ivar sentOn: The numbers of those that were sent to another process.
    @ivar touched: The inodes of the insured connections that were touched.
    @ivar hasTold: Whether it is sure to hear that.
    """

    leaving = False

    def __init__(self) -> None:
        self.returned: list[int] = []
        self.sentOn: list[int] = []
        self.touched: list[int] = []
        self.hasTold = True
        self._count = 0

    def borrow(self, request: ListenRequest) -> Loan:
        """
        Bind a socket.
        """
        family, kind = _SOCKETS[request.kind]
        bound = socket.socket(family, kind)
        isPath = family == socket.AF_UNIX
        bound.bind(request.path if isPath else ("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            bound.listen()
        self._count += 1
        return Loan(
            number=self._count,
            descriptor=bound.detach(),
            acceptsItself=self._count % 2 == 0,
        )

    def startTaking(self, loan: Loan, port: IBorrowedPort) -> None:
        """
        Nobody connects.
        """

    def stopTaking(self, loan: Loan) -> None:
        """
        Nobody does now, either.
        """

    def sendOn(self, loan: Loan) -> None:
        """
        Keep the number.
        """
        self.sentOn.append(loan.number)

    def giveBack(self, loan: Loan) -> None:
        """
        Keep the number.
        """
        self.returned.append(loan.number)

    def touch(self, inode: int) -> None:
        """
        Keep it.
        """
        self.touched.append(inode)


def _layer(reactor: Any, primary: Lending) -> Any:
    """
    Have a reactor borrow its ports.
    """
    kind: Any = type(reactor)
    reactor.__class__ = layered(kind)
    reactor.borrowFrom(primary, {})
    return reactor


class StoppingTests(RealReactorTestCase):
    """
    The end of the reactor.
    """

    def test_signals(self) -> None:
        """
        SIGTERM stops it, and is no mistake when that has been asked for already; nor
        is SIGINT.
        """
        reactor = _layer(self.reactor, Lending())

        def stop() -> None:
            reactor.sigTerm(signal.SIGTERM)
            reactor.sigInt(signal.SIGINT)
            reactor.sigTerm(signal.SIGTERM)

        reactor.callWhenRunning(stop)
        reactor.run(installSignalHandlers=False)
        self.assertEqual(reactor._exitSignal, signal.SIGTERM)
        self.assertEqual(self.flushLoggedErrors(), [])


class ClosingTests(RealReactorTestCase):
    """
    The end of a port.
    """

    def setUp(self) -> None:
        """
        Layer the reactor.
        """
        # Twisted keeps a spare descriptor, from the first port on.
        tcp._reservedFD.reserve()
        super().setUp()
        self.primary = Lending()
        self.layered = _layer(self.reactor, self.primary)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def open(self) -> list[Any]:
        """
        Open a port of each kind, the streams with both policies.
        """
        factory = Factory()
        path = os.path.join(self.directory, "s")
        return [
            self.layered.listenTCP(0, factory, interface="127.0.0.1"),
            self.layered.listenTCP(0, factory, interface="127.0.0.1"),
            self.layered.listenUNIX(path, factory),
            self.layered.listenUDP(0, DatagramProtocol(), interface="127.0.0.1"),
            self.layered.listenUNIXDatagram(path + "d", DatagramProtocol()),
        ]

    def test_mistakes(self) -> None:
        """
        What no port can be opened with is told in plain words.
        """
        factory = Factory()
        for mistaken, word in (
            (partial(self.layered.listenTCP, 0, factory, backlog=None), "backlog"),
            (partial(self.layered.listenUNIX, "s", factory, mode="rw"), "mode"),
        ):
            problem = self.assertRaises(TypeError, mistaken)
            self.assertEqual(len(problem.args), 1)
            self.assertIn(word, str(problem))

    def test_sentOn(self) -> None:
        """
        The primary is told of a port that is sent to another process, if closing it
        could end it there.
        """
        ports = self.open()
        for port in ports[:-1]:
            detach(port).delivered()
        self.assertEqual(self.primary.sentOn, [1, 2, 3])
        for port in ports:
            port.stopListening()
        self.turnUntil(lambda: len(self.primary.returned) == len(ports))

    def test_listening(self) -> None:
        """
        It is told where the first port listens: as it was asked for, with the number
        that it really has.
        """
        listening = self.layered.serving.whenListening()
        self.assertFalse(self.layered.serving.isListening)
        ports = self.open()
        self.assertTrue(self.layered.serving.isListening)
        self.assertEqual(
            self.successResultOf(listening),
            ListeningAddress(
                address="127.0.0.1", port=ports[0].getHost().port, addressType=4
            ),
        )
        closed: list[None] = []
        for port in ports:
            port.stopListening().addCallback(closed.append)
        self.turnUntil(lambda: len(closed) == len(ports))
        self.assertFalse(self.layered.serving.isListening)

    def test_otherFamily(self) -> None:
        """
        A socket of another family than is asked for is refused, in words that name
        its number, and given back.
        """
        problem = self.assertRaises(
            CannotListenError,
            self.layered.listenOnDescriptor,
            *(5, socket.AF_INET6, Factory()),
        )
        self.assertIn("descriptor 5 of the primary", str(problem))
        self.assertIn("AF_INET", str(problem))
        self.assertEqual(self.primary.returned, [1])
        self.assertFalse(self.layered.serving.isListening)

    def test_noDescriptor(self) -> None:
        """
        What can be no descriptor is refused before anybody is asked; and so is a
        family that no port can have.
        """
        nonsense: list[Any] = [None, "3", -1, 2**40, True]
        for number in nonsense:
            for adopt, what in (
                (self.layered.listenOnDescriptor, Factory()),
                (self.layered.receiveOnDescriptor, DatagramProtocol()),
            ):
                problem = self.assertRaises(
                    ConfigurationError, adopt, number, socket.AF_INET, what
                )
                self.assertIn(repr(number), str(problem))
        self.assertRaises(
            UnsupportedAddressFamily,
            *(self.layered.listenOnDescriptor, 5, 99, Factory()),
        )
        self.assertEqual(self.primary.returned, [])

    def test_twice(self) -> None:
        """
        A port that is being closed can be closed, by the application and by the
        cluster for example: it is closed once, and both learn when.
        """
        ports = self.open()
        closed: list[int] = []
        for number, port in enumerate(ports):
            for _ in range(2):
                port.stopListening().addCallback(lambda _, n=number: closed.append(n))
        self.turnUntil(lambda: len(closed) == 2 * len(ports))
        self.turn()
        self.assertEqual(sorted(closed), sorted([*range(len(ports))] * 2))
        self.assertEqual(sorted(self.primary.returned), [1, 2, 3, 4, 5])

    def test_otherName(self) -> None:
        """
        The same if it is called by the name that it had before.
        """
        [port, *others] = self.open()
        closed: list[None] = []
        port.loseConnection().addCallback(closed.append)
        port.stopListening().addCallback(closed.append)
        for other in others:
            other.stopListening().addCallback(closed.append)
        self.turnUntil(lambda: len(closed) == 2 + len(others))

    def test_closed(self) -> None:
        """
        Closing one that is closed does nothing.
        """
        ports = self.open()
        closed: list[None] = []
        for port in ports:
            port.stopListening().addCallback(closed.append)
        self.turnUntil(lambda: len(closed) == len(ports))
        self.assertEqual([port.stopListening() for port in ports], [None] * len(ports))

    def test_neverOpened(self) -> None:
        """
        Of a port whose factory or protocol fails when it is started nothing is left:
        the primary has it back, and it can be opened again.
        """

        class Stillborn(Factory):
            def startFactory(self) -> None:
                raise ZeroDivisionError

        class StillbornDatagrams(DatagramProtocol):
            def startProtocol(self) -> None:
                raise ZeroDivisionError

        path = os.path.join(self.directory, "s")
        for open_ in (
            lambda: self.layered.listenTCP(0, Stillborn(), interface="127.0.0.1"),
            lambda: self.layered.listenTCP(0, Stillborn(), interface="127.0.0.1"),
            lambda: self.layered.listenUNIX(path, Stillborn()),
            lambda: self.layered.listenUDP(0, StillbornDatagrams()),
            lambda: self.layered.listenUNIXDatagram(path + "d", StillbornDatagrams()),
        ):
            with self.assertRaises(ZeroDivisionError):
                open_()
        # The path was not asked for yet.
        self.assertEqual(self.primary.returned, [1, 2, 3, 4])
        self.assertEqual(self.layered.serving.ports, set())

    def test_failing(self) -> None:
        """
        What fails on the way is told to all who wait.
        """

        class Stubborn(Factory):
            def doStop(self) -> None:
                raise ZeroDivisionError

        port = self.layered.listenTCP(0, Stubborn(), interface="127.0.0.1")
        first, second = port.stopListening(), port.stopListening()
        self.turn()
        self.failureResultOf(first, ZeroDivisionError)
        self.failureResultOf(second, ZeroDivisionError)
        self.assertIsNone(port.stopListening())


class Serving(Protocol):
    """
    Keeps what happens to it.
    """

    def __init__(self) -> None:
        self.data = b""
        self.reasons: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep it.
        """
        self.reasons.append(reason)


class InsuredTests(RealReactorTestCase):
    """
    Connections of which the primary is told before they are touched.

    @ivar inode: That of the last connection that was handed over.
    """

    def setUp(self) -> None:
        """
        Open a port of each kind that has connections.
        """
        tcp._reservedFD.reserve()
        super().setUp()
        self.primary = Lending()
        self.layered = _layer(self.reactor, self.primary)
        self.built: list[Serving] = []
        self.factory = Factory.forProtocol(self._build)
        self.listen()

    def listen(self) -> None:
        """
        Open them.
        """
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = os.path.join(directory.name, "s")
        self.tcp = self.layered.listenTCP(0, self.factory, interface="127.0.0.1")
        # Every second accepts by itself.
        spare = self.layered.listenTCP(0, self.factory, interface="127.0.0.1")
        self.unix = self.layered.listenUNIX(path, self.factory)
        last = self.layered.listenTCP(0, self.factory, interface="127.0.0.1")
        self.addCleanup(self._close, [self.tcp, spare, self.unix, last])

    def _build(self) -> Serving:
        """
        A protocol that is remembered.
        """
        self.built.append(Serving())
        return self.built[-1]

    def _close(self, ports: list[Any]) -> None:
        """
        Close the ports and what is connected.
        """
        self.primary.hasTold = True
        for port in ports:
            port.stopListening()
        for protocol in self.built:
            transport: Any = protocol.transport
            transport.abortConnection()
        self.turn()

    def hand(self, port: Any, insured: bool = True) -> socket.socket:
        """
        Hand a connection over to a port.

        @return: Its client.
        """
        client = socket.socket(port.addressFamily)
        self.addCleanup(client.close)
        client.settimeout(10)
        client.connect(port.socket.getsockname())
        connection, _ = port.socket.accept()
        self.inode = os.fstat(connection.fileno()).st_ino
        self.assertEqual(port.takeConnections([connection.detach()], insured), [])
        return client

    def serve(
        self, port: Any, insured: bool = True
    ) -> tuple[socket.socket, Serving, Any]:
        """
        Have a connection served.

        @return: Its client, its protocol, and its transport.
        """
        client = self.hand(port, insured)
        transport: Any = self.built[-1].transport
        return client, self.built[-1], transport

    def eachKind(self) -> list[Any]:
        """
        The ports.
        """
        return [self.tcp, self.unix]

    def hears(self, protocol: Serving, data: bytes) -> None:
        """
        A protocol gets this, sooner or later, and nothing else.
        """
        self.turnUntil(lambda: len(protocol.data) >= len(data))
        self.assertEqual(protocol.data, data)

    def unread(self, client: socket.socket) -> bytes:
        """
        What a client can read at once.
        """
        client.setblocking(False)
        try:
            return client.recv(100)
        except BlockingIOError:
            return b""
        finally:
            client.settimeout(10)

    def test_untouched(self) -> None:
        """
        Nothing is said of one on which nothing happens.
        """
        for port in self.eachKind():
            self.serve(port)
            self.turn()
        self.assertEqual(self.primary.touched, [])

    def test_read(self) -> None:
        """
        Before the first byte is read the primary is told, once; while that is not
        with the kernel, nothing is read.
        """
        for port in self.eachKind():
            self.primary.touched.clear()
            self.primary.hasTold = False
            client, protocol, transport = self.serve(port)
            client.send(b"hello")
            self.turnUntil(lambda: self.primary.touched)
            self.turn()
            self.assertEqual((protocol.data, protocol.reasons), (b"", []))
            # Everything is there for somebody else.
            self.assertEqual(transport.socket.recv(9, socket.MSG_PEEK), b"hello")
            self.primary.hasTold = True
            self.hears(protocol, b"hello")
            client.send(b" world")
            self.hears(protocol, b"hello world")
            self.assertEqual(self.primary.touched, [self.inode])

    def test_write(self) -> None:
        """
        The same for the first byte that is written, in its order.
        """
        for port in self.eachKind():
            self.primary.touched.clear()
            self.primary.hasTold = False
            client, _, transport = self.serve(port)
            transport.write(b"hello")
            transport.writeSequence([b" ", b"world"])
            self.turnUntil(lambda: self.primary.touched)
            self.turn()
            self.assertEqual(self.unread(client), b"")
            self.primary.hasTold = True
            self.turn()
            self.assertEqual(self.unread(client), b"hello world")
            transport.write(b"!")
            self.turn()
            self.assertEqual(self.unread(client), b"!")
            self.assertEqual(self.primary.touched, [self.inode])

    def test_closeWritten(self) -> None:
        """
        What was written before the connection is closed arrives, though the report
        has to wait.
        """
        self.primary.hasTold = False
        client, protocol, transport = self.serve(self.tcp)
        transport.write(b"good bye")
        transport.loseConnection()
        self.turn()
        self.assertEqual(protocol.reasons, [])
        self.primary.hasTold = True
        self.turnUntil(lambda: protocol.reasons)
        self.assertEqual((client.recv(100), client.recv(100)), (b"good bye", b""))
        self.assertEqual(self.primary.touched, [self.inode])

    def test_ends(self) -> None:
        """
        Closing an untouched one in any way, or one half of it, tells, too; and so
        does the end of a client that said nothing.
        """

        def leave(client: socket.socket, transport: Any) -> None:
            client.close()

        def close(client: socket.socket, transport: Any) -> None:
            transport.loseConnection()

        def abort(client: socket.socket, transport: Any) -> None:
            transport.abortConnection()

        def closeHalf(client: socket.socket, transport: Any) -> None:
            transport.loseWriteConnection()

        for port in self.eachKind():
            for end in (leave, close, abort, closeHalf):
                self.primary.touched.clear()
                client, _, transport = self.serve(port)
                end(client, transport)
                self.turnUntil(lambda: self.primary.touched)
                self.turn()
                self.assertEqual(self.primary.touched, [self.inode], end)

    def test_sentAway(self) -> None:
        """
        So does sending it to another process.
        """
        for port in self.eachKind():
            self.primary.touched.clear()
            _, _, transport = self.serve(port)
            departure = detach(transport, keepOpen=True)
            self.assertEqual(self.primary.touched, [self.inode])
            departure.delivered()

    def test_reactorStops(self) -> None:
        """
        When the reactor stops nothing is told, and the connection is not ended, for
        another process has it, too; unless it was being closed already, or touched.
        """

        def begins(client: socket.socket, transport: Any) -> None:
            pass

        def writes(client: socket.socket, transport: Any) -> None:
            # It is in a buffer.
            transport.write(b"hello")

        def closes(client: socket.socket, transport: Any) -> None:
            transport.write(b"hello")
            transport.loseConnection()

        def closesHalf(client: socket.socket, transport: Any) -> None:
            transport.write(b"hello")
            transport.loseWriteConnection()

        def served(client: socket.socket, transport: Any) -> None:
            client.send(b"hello")
            self.turnUntil(lambda: self.primary.touched)

        for happening, ends in [
            (begins, False),
            (writes, False),
            (closes, True),
            (closesHalf, True),
            (served, True),
        ]:
            for kind in range(2):
                self.primary.touched.clear()
                self.listen()
                port = self.eachKind()[kind]
                client, protocol, transport = self.serve(port)
                primarys = transport.socket.dup()
                happening(client, transport)
                self.layered.disconnectAll()
                self.assertEqual(len(protocol.reasons), 1)
                self.assertEqual(self.primary.touched, [self.inode] * ends, happening)
                if not ends:
                    primarys.send(b"from another")
                primarys.close()
                self.assertEqual(client.recv(99), b"" if ends else b"from another")

    def test_forgotten(self) -> None:
        """
        If the reactor does not stop then, as in a test runner, what is closed is told.
        """
        for port in self.eachKind():
            self.primary.touched.clear()
            _, _, transport = self.serve(port)
            transport.forgotten()
            transport.abortConnection()
            self.turnUntil(lambda: self.primary.touched)
            self.assertEqual(self.primary.touched, [self.inode])

    def test_notWanted(self) -> None:
        """
        And so does a factory that wants to have nothing to do with it, or fails: the
        client sees the end.
        """

        class Picky(Factory):
            def buildProtocol(self, addr: object) -> None:
                return None

        class Broken(Factory):
            def buildProtocol(self, addr: object) -> None:
                raise ZeroDivisionError

        for port in self.eachKind():
            for factory in (Picky(), Broken()):
                self.primary.touched.clear()
                port.factory = factory
                client = self.hand(port)
                self.assertEqual(self.primary.touched, [self.inode])
                self.flushLoggedErrors(ZeroDivisionError)
                self.assertEqual(client.recv(1), b"")

    def test_notInsured(self) -> None:
        """
        Of one that is not insured nothing is said, and nothing is waited for.
        """
        self.primary.hasTold = False
        for port in self.eachKind():
            client, protocol, transport = self.serve(port, insured=False)
            client.send(b"hello")
            transport.write(b"hello")
            self.hears(protocol, b"hello")
            self.assertEqual(client.recv(9), b"hello")
            transport.loseConnection()
            self.turn()
            self.assertEqual(len(protocol.reasons), 1)
        self.assertEqual(self.primary.touched, [])
