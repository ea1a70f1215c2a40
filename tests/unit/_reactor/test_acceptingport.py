"""
Tests of L{twisted_cluster._reactor.acceptingport}.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from functools import partial
from typing import Any

from zope.interface.verify import verifyObject

from tests.unit._reactor.opening import LOOPBACK, PortCase
from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor.acceptingport import (
    BATCH,
    EXHAUSTION_PAUSE,
    AcceptingTCPPort,
)
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IOpenPort,
    IPortOpener,
)
from twisted_cluster.listening import ListenRequest, PortKind


class AcceptTests(PortCase):
    """
    Ports that accept.
    """

    def test_interfaces(self) -> None:
        """
        The opener and its ports provide their interfaces.
        """
        verifyObject(IPortOpener, self.opener)
        for port in (
            self.open(),
            self.open(self.unixRequest()),
            self.share(self.request(kind=PortKind.UDP)),
        ):
            verifyObject(IOpenPort, port)

    def test_address(self) -> None:
        """
        The port is bound, and says to what.
        """
        port = self.open()
        address: Any = port.boundAddress
        self.assertEqual(address[0], LOOPBACK)
        self.assertGreater(address[1], 0)
        with socket.socket(fileno=os.dup(port.descriptor)) as duplicate:
            self.assertEqual(duplicate.getsockname(), port.boundAddress)

    def test_notYet(self) -> None:
        """
        Until it is told to, it accepts nothing; the connections wait.
        """
        port = self.open()
        self.connect(port, 2)
        self.turn()
        self.assertEqual(self.receiver.batches, [])
        port.startAccepting()
        port.startAccepting()
        self.turnUntil(lambda: self.receiver.batches)
        self.assertEqual([*map(len, self.receiver.batches)], [2])

    def test_connections(self) -> None:
        """
        The receiver is given what was accepted, in order: the descriptor and
        what identifies it.  Nothing was read.
        """
        port = self.open()
        clients = self.connect(port, 3)
        for client in clients:
            client.sendall(b"hello")
        port.startAccepting()
        self.turnUntil(lambda: self.receiver.batches)
        [batch] = self.receiver.batches
        for client, connection in zip(clients, batch, strict=True):
            self.assertEqual(os.fstat(connection.descriptor).st_ino, connection.inode)
            self.assertFalse(os.get_inheritable(connection.descriptor))
            with socket.socket(fileno=os.dup(connection.descriptor)) as accepted:
                self.assertEqual(accepted.getpeername(), client.getsockname())
                self.assertEqual(accepted.recv(9), b"hello")

    def test_batch(self) -> None:
        """
        No more is accepted in one turn than fits into one message.
        """
        port = self.open(self.request(backlog=1024))
        self.connect(port, BATCH + 2)
        port.startAccepting()
        self.turnUntil(lambda: len(self.receiver.batches) == 2)
        self.assertEqual([*map(len, self.receiver.batches)], [BATCH, 2])

    def test_stop(self) -> None:
        """
        When it is told to stop, connections wait in the backlog until it is
        told to go on.
        """
        port = self.open()
        port.startAccepting()
        port.stopAccepting()
        self.connect(port, 2)
        self.turn()
        self.assertEqual(self.receiver.batches, [])
        port.startAccepting()
        self.turnUntil(lambda: self.receiver.batches)
        self.assertEqual([*map(len, self.receiver.batches)], [2])

    def test_spurious(self) -> None:
        """
        If there is nothing to accept after all, nothing happens.
        """
        port = self.open()
        assert isinstance(port, AcceptingTCPPort)
        port.doRead()
        self.assertEqual(self.receiver.batches, [])

    def test_shared(self) -> None:
        """
        A port to share never accepts.
        """
        port = self.share(self.request())
        port.startAccepting()
        [client] = self.connect(port)
        self.turn()
        with socket.socket(fileno=os.dup(port.descriptor)) as worker:
            accepted, peer = worker.accept()
            accepted.close()
        self.assertEqual(peer, client.getsockname())

    def test_ipv6(self) -> None:
        """
        An IPv6 address makes an IPv6 port.
        """
        port = self.open(self.request(interface="::1"))
        [client] = self.connect(port)
        port.startAccepting()
        self.turnUntil(lambda: self.receiver.batches)
        self.assertEqual(client.getpeername()[0], "::1")

    if not socket.has_ipv6:
        test_ipv6.skip = "no IPv6"  # type: ignore[attr-defined]

    def test_close(self) -> None:
        """
        Closing is done when it returns: the address is free, also while a
        worker still has its duplicate.
        """
        port = self.open(self.request(reuseAddress=False))
        address: Any = port.boundAddress
        duplicate = os.dup(port.descriptor)
        port.close()
        again = self.open(self.request(port=address[1], reuseAddress=False))
        os.close(duplicate)
        self.assertEqual(again.boundAddress, address)

    def test_closeShared(self) -> None:
        """
        Closing a port that is shared leaves the workers' duplicates to them: they
        accept until they close theirs.
        """
        port = self.share(self.request())
        address: Any = port.boundAddress
        with socket.socket(fileno=os.dup(port.descriptor)) as duplicate:
            port.close()
            with socket.create_connection(address):
                # It does not block: the port was made for a reactor.
                accepted, _ = duplicate.accept()
                accepted.close()

    def test_closeLeft(self) -> None:
        """
        So does closing one that accepts, if it was left to others.
        """
        for isLeft in (False, True):
            port = self.open()
            address: Any = port.boundAddress
            if isLeft:
                port.leaveToOthers()
            with socket.socket(fileno=os.dup(port.descriptor)) as duplicate:
                port.close()
                isOpen = duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                self.assertEqual(bool(isOpen), isLeft)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(address)

    def test_closeAccepting(self) -> None:
        """
        A port that accepts can be closed, and accepts no more.
        """
        port = self.open()
        port.startAccepting()
        port.close()
        self.assertNotIn(port, self.reactor.getReaders())


class GivenUpTests(PortCase):
    """
    Clients that did not wait.
    """

    def accepted(
        self, request: ListenRequest | None = None
    ) -> tuple[IOpenPort, socket.socket, AcceptedConnection]:
        """
        A port, a client of it, and its connection.
        """
        port = self.open(request)
        [client] = self.connect(port)
        port.startAccepting()
        self.turnUntil(lambda: self.receiver.connections)
        return port, client, self.receiver.connections[0]

    def test_waits(self) -> None:
        """
        A client that is there has not given up: whether it has said anything or not,
        nor if it has ended what it says.
        """
        port, client, connection = self.accepted()
        self.assertFalse(port.isGivenUp(connection))
        client.send(b"x")
        self.assertFalse(port.isGivenUp(connection))
        client.shutdown(socket.SHUT_WR)
        self.assertFalse(port.isGivenUp(connection))

    def test_onlyEnds(self) -> None:
        """
        Nor if it says nothing, and has ended that: it may want an answer.
        """
        port, client, connection = self.accepted()
        client.shutdown(socket.SHUT_WR)
        self.assertFalse(port.isGivenUp(connection))

    def test_reset(self) -> None:
        """
        One that has reset its connection has.
        """
        port, client, connection = self.accepted()
        # With a linger time of 0 closing is resetting.
        client.setsockopt(
            socket.SOL_SOCKET,
            socket.SO_LINGER,
            (1).to_bytes(4, sys.byteorder) + bytes(4),
        )
        client.close()
        self.assertTrue(port.isGivenUp(connection))

    def test_gone(self) -> None:
        """
        So has one that has closed its end of a UNIX connection.
        """
        port, client, connection = self.accepted(self.unixRequest())
        client.close()
        self.assertTrue(port.isGivenUp(connection))

    def test_saidBefore(self) -> None:
        """
        Whatever it has said is to be read, though nobody is there for an answer.
        """
        port, client, connection = self.accepted(self.unixRequest())
        client.send(b"x")
        client.close()
        self.assertFalse(port.isGivenUp(connection))


class TroubleTests(PortCase):
    """
    Ports that cannot accept.
    """

    def hasAccepted(self, count: int) -> bool:
        """
        Whether so many connections have come.
        """
        return len(self.receiver.connections) == count

    def test_exhausted(self) -> None:
        """
        When there is no descriptor left, or no memory, nobody is lost: those
        that were accepted are handed on, the others wait.  It is tried again
        after a pause, and not before.
        """
        for number in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            port = self.open()
            # One is accepted before the trouble begins.
            trouble = self.troubled(port, 0, number)
            self.connect(port, 3)
            port.startAccepting()
            accepted = len(self.receiver.connections)
            before = self.reactor.seconds()
            self.turnUntil(partial(getattr, trouble, "tries"))
            self.assertNotIn(port, self.reactor.getReaders())
            self.assertEqual(len(self.receiver.connections), accepted + 1)
            self.turnUntil(partial(self.hasAccepted, accepted + 3))
            self.assertGreaterEqual(self.reactor.seconds() - before, EXHAUSTION_PAUSE)
            self.assertEqual(trouble.tries, 5)

    def test_oneClient(self) -> None:
        """
        A client that has given up meanwhile does not hold up the others.
        """
        for number in (errno.ECONNABORTED, errno.EPERM, errno.EPROTO):
            port = self.open()
            self.troubled(port, number)
            self.connect(port)
            port.startAccepting()
            assert isinstance(port, AcceptingTCPPort)
            port.doRead()
            self.assertIn(port, self.reactor.getReaders())

    def test_closedDuringPause(self) -> None:
        """
        A port that is closed, or told to stop, while it pauses stays so.
        """
        for end in ("close", "stopAccepting"):
            port = self.open()
            self.troubled(port, errno.EMFILE)
            port.startAccepting()
            assert isinstance(port, AcceptingTCPPort)
            port.doRead()
            getattr(port, end)()
            self.turnUntil(lambda: not self.reactor.getDelayedCalls())
            self.assertNotIn(port, self.reactor.getReaders())

    def test_invalid(self) -> None:
        """
        An error that nobody thought of does not make the port spin.
        """
        port = self.open()
        trouble = self.troubled(port, *[errno.EINVAL] * 1000)
        self.connect(port)
        port.startAccepting()
        self.turnUntil(lambda: trouble.tries)
        self.turn()
        self.assertEqual(trouble.tries, 1)


EXHAUSTED = """
import os, resource, socket, sys
from twisted.internet import reactor
from twisted_cluster._reactor import acceptingport
from twisted_cluster._reactor.portopener import PortOpener
from twisted_cluster.listening import ListenRequest, PortKind

# How many descriptors to reserve, and how many are free below the limit.
reserve, below = map(int, sys.argv[1:])
acceptingport.RESERVE = reserve

accepted = []
class Receiver:
    def connectionsAccepted(self, connections):
        if not accepted:
            # The rest waits for room; it is tried some times in vain.
            reactor.callLater(5 * acceptingport.EXHAUSTION_PAUSE, room)
        accepted.extend(c.descriptor for c in connections)
        if len(accepted) == 5:
            reactor.stop()

def room():
    global first
    first = len(accepted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

request = ListenRequest(kind=PortKind.TCP, interface="127.0.0.1")
port = PortOpener(reactor).openForHandoff(request, Receiver())
clients = [socket.create_connection(port.boundAddress) for _ in range(5)]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

def begin():
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + below, hard))
    port.startAccepting()

reactor.callWhenRunning(begin)
reactor.callLater(30, os._exit, 3)
reactor.run()
names = [c.getsockname() for c in clients]
print(first, [names.index(socket.socket(fileno=c).getpeername()) for c in accepted])
"""


class ExhaustedTests(RealReactorTestCase):
    """
    A process that really has no descriptors left.
    """

    def accepted(self, reserve: int, below: int) -> str:
        """
        Who is accepted, of five.

        @param reserve: How many descriptors to reserve.
        @param below: How many are free below the limit.

        @return: How many were before there was room, and all, in order.
        """
        arguments = map(str, (reserve, below))
        output = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", EXHAUSTED, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        return output.strip()

    def test_nobodyIsLost(self) -> None:
        """
        It accepts what it has room for, and the others later, in order.
        """
        self.assertEqual(self.accepted(reserve=0, below=2), "2 [0, 1, 2, 3, 4]")

    def test_reserve(self) -> None:
        """
        Connections leave some descriptors to the rest of the process: the first
        that takes one of them is the last, however often it is tried.
        """
        self.assertEqual(self.accepted(reserve=3, below=5), "3 [0, 1, 2, 3, 4]")


class NamesTests(PortCase):
    """
    How ports appear in the log.
    """

    def test_logPrefix(self) -> None:
        """
        What is logged while a port is read is the cluster's.
        """
        port = self.open()
        assert isinstance(port, AcceptingTCPPort)
        self.assertEqual(port._getLogPrefix(port.factory), "Cluster port")
