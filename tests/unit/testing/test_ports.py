"""
Tests of L{twisted_cluster.testing.ports}.
"""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_cluster.errors import ListenRefused
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
    IPortOpener,
)
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.testing.ports import (
    FIRST_CHOSEN_PORT,
    MemoryClient,
    MemoryPort,
    MemoryPortOpener,
)

TCP = ListenRequest(kind=PortKind.TCP, port=8080)
CHOSEN = ListenRequest(kind=PortKind.TCP)
PATH = ListenRequest(kind=PortKind.UNIX, path=b"/run/site")


@implementer(IConnectionReceiver)
class Receiver:
    """
    Keeps what was accepted, in the pieces in which it came.
    """

    def __init__(self) -> None:
        self.pieces: list[list[AcceptedConnection]] = []

    def connectionsAccepted(self, connections: list[AcceptedConnection]) -> None:
        """
        Keep it.
        """
        self.pieces.append(connections)


class ClientTests(SynchronousTestCase):
    """
    Tests of L{MemoryClient}.
    """

    def setUp(self) -> None:
        """
        Connect a client.
        """
        self.client = MemoryClient()
        self.addCleanup(self.client.close)

    def test_served(self) -> None:
        """
        A connection is served as long as anybody has a descriptor of it,
        whatever was sent on it.
        """
        connection = self.client.accept()
        self.assertEqual(os.fstat(connection.descriptor).st_ino, self.client.inode)
        duplicate = os.dup(connection.descriptor)
        os.close(connection.descriptor)
        self.assertTrue(self.client.isServed)
        os.write(duplicate, b"x")
        os.close(duplicate)
        self.assertTrue(self.client.isServed)
        self.client.socket.recv(1)
        self.assertFalse(self.client.isServed)

    def test_reset(self) -> None:
        """
        One that is closed with unread data is not served any more either.
        """
        connection = self.client.accept()
        self.client.socket.send(b"x")
        os.close(connection.descriptor)
        self.assertFalse(self.client.isServed)


class PortTests(SynchronousTestCase):
    """
    Tests of L{MemoryPortOpener} and L{MemoryPort}.
    """

    def setUp(self) -> None:
        """
        Make an opener.
        """
        self.opener = MemoryPortOpener()
        self.addCleanup(self.opener.close)
        self.receiver = Receiver()

    def open(self, request: ListenRequest = TCP) -> MemoryPort:
        """
        Open a port.
        """
        return self.opener.openForHandoff(request, self.receiver)

    def test_interfaces(self) -> None:
        """
        They are what they say they are.
        """
        verifyObject(IPortOpener, self.opener)
        verifyObject(IOpenPort, self.open())

    def test_addresses(self) -> None:
        """
        A port is bound to what was asked for; for port 0 to a new number each
        time.
        """
        bound = [
            self.open(request).boundAddress for request in (TCP, CHOSEN, CHOSEN, PATH)
        ]
        self.assertEqual(
            bound,
            [
                ("", 8080),
                ("", FIRST_CHOSEN_PORT),
                ("", FIRST_CHOSEN_PORT + 1),
                b"/run/site",
            ],
        )

    def test_inUse(self) -> None:
        """
        An address can be had again only after its port was closed.
        """
        port = self.open()
        refused = self.assertRaises(ListenRefused, self.opener.openToShare, TCP)
        self.assertEqual(refused.errno, errno.EADDRINUSE)
        port.close()
        self.open()
        self.assertEqual(len(self.opener.openPorts), 1)

    def test_refuseNext(self) -> None:
        """
        The test can have requests refused, one by one.
        """
        self.opener.refuseNext(errno.EACCES)
        self.assertRaises(ListenRefused, self.open)
        self.open()

    def test_accepts(self) -> None:
        """
        Clients wait until the port accepts and a turn passes, and come in one
        piece.
        """
        port = self.open()
        clients = port.accept(2)
        self.assertEqual((self.receiver.pieces, len(port.backlog)), ([], 2))
        port.startAccepting()
        clients += port.connect()
        port.turn()
        port.turn()
        [piece] = self.receiver.pieces
        self.assertEqual(
            [connection.inode for connection in piece],
            [client.inode for client in clients],
        )
        for connection in piece:
            os.close(connection.descriptor)
        port.stopAccepting()
        port.accept()
        self.assertEqual(len(self.receiver.pieces), 1)

    def test_shared(self) -> None:
        """
        A port to share never accepts.
        """
        port = self.opener.openToShare(TCP)
        port.startAccepting()
        self.assertFalse(port.isAccepting)

    def test_close(self) -> None:
        """
        Those in the backlog of a port that closes are turned away; closing it
        twice is an error.
        """
        port = self.open()
        [client] = port.connect()
        self.assertTrue(client.isServed)
        port.close()
        self.assertFalse(client.isServed)
        self.assertRaises(OSError, port.close)
