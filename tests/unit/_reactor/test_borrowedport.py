"""
Tests of L{twisted_cluster._reactor.borrowedport}.

That these ports are Twisted's own in all other respects is shown by Twisted's
own tests: C{tests.suites}.
"""

from __future__ import annotations

import os
import socket
import tempfile
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import DatagramProtocol, Factory
from zope.interface import implementer

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor.layer import layered
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
    """

    leaving = False

    def __init__(self) -> None:
        self.returned: list[int] = []
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

    def giveBack(self, loan: Loan) -> None:
        """
        Keep the number.
        """
        self.returned.append(loan.number)


def _layer(reactor: Any, primary: Lending) -> Any:
    """
    Have a reactor borrow its ports.
    """
    kind: Any = type(reactor)
    reactor.__class__ = layered(kind)
    reactor.borrowFrom(primary, {})
    return reactor


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
