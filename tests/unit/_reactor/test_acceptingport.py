"""
Tests of L{twisted_cluster._reactor.acceptingport}.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any
from unittest import SkipTest, skipIf

from twisted.internet import tcp
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit.realreactor import PATIENCE, RealReactorTestCase, openDescriptors
from twisted_cluster._reactor import acceptingport
from twisted_cluster._reactor.acceptingport import (
    BATCH,
    EXHAUSTION_PAUSE,
    AcceptingTCPPort,
    AcceptingUNIXPort,
    PortOpener,
)
from twisted_cluster.errors import ListenRefused
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
    IPortOpener,
)
from twisted_cluster.listening import ListenRequest, PortKind

LOOPBACK = "127.0.0.1"


@implementer(IConnectionReceiver)
class Receiver:
    """
    Keeps what was accepted.

    @ivar batches: What came at once.
    """

    def __init__(self) -> None:
        self.batches: list[list[AcceptedConnection]] = []

    def connectionsAccepted(self, connections: list[AcceptedConnection]) -> None:
        """
        Keep them.
        """
        self.batches.append(connections)

    @property
    def connections(self) -> list[AcceptedConnection]:
        """
        All of them, in order.
        """
        return [connection for batch in self.batches for connection in batch]


class TroubledSocket:
    """
    A listening socket that cannot accept when the test says so.

    @ivar troubles: What the next calls fail with; 0 lets one work.
    @ivar tries: How many calls there were.
    """

    def __init__(self, real: socket.socket, *troubles: int) -> None:
        self.real = real
        self.troubles = list(troubles)
        self.tries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def accept(self) -> Any:
        """
        Fail, or accept.
        """
        self.tries += 1
        number = self.troubles.pop(0) if self.troubles else 0
        if number:
            raise OSError(number, os.strerror(number))
        return self.real.accept()


@contextmanager
def unprivileged() -> Iterator[None]:
    """
    Be nobody for a moment, if this is root, who may do everything.
    """
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class PortCase(RealReactorTestCase):
    """
    Ports of a real reactor, on the loopback interface and in a directory of
    their own.
    """

    def setUp(self) -> None:
        """
        Make an opener.
        """
        # What Twisted keeps in reserve, once for the whole process.
        tcp._reservedFD.reserve()
        super().setUp()
        self.opener = PortOpener(self.reactor)
        self.receiver = Receiver()
        self.addCleanup(self._closeConnections)
        directory = self.mktemp()
        os.makedirs(directory)
        # UNIX paths are short, and those of test directories are not.
        self.directory = os.open(directory, os.O_RDONLY)
        self.addCleanup(os.close, self.directory)
        self.path = f"/proc/self/fd/{self.directory}/socket".encode()
        if not os.path.isdir(os.path.dirname(self.path)):
            self.path = os.path.abspath(directory).encode() + b"/s"

    def _closeConnections(self) -> None:
        """
        Close what was accepted.
        """
        for connection in self.receiver.connections:
            os.close(connection.descriptor)

    def request(self, **more: Any) -> ListenRequest:
        """
        A port of the loopback interface, or what is said.
        """
        return ListenRequest(**{"kind": PortKind.TCP, "interface": LOOPBACK, **more})

    def unixRequest(self, **more: Any) -> ListenRequest:
        """
        A UNIX port.
        """
        return ListenRequest(**{"kind": PortKind.UNIX, "path": self.path, **more})

    def open(self, request: ListenRequest | None = None) -> IOpenPort:
        """
        Open a port for hand-off.
        """
        port = self.opener.openForHandoff(request or self.request(), self.receiver)
        self.closing(port)
        return port

    def share(self, request: ListenRequest) -> IOpenPort:
        """
        Open a port to share.
        """
        port = self.opener.openToShare(request)
        self.closing(port)
        return port

    def closing(self, port: IOpenPort) -> None:
        """
        Close it after the test, if the test does not.
        """

        def close() -> None:
            try:
                port.descriptor  # noqa: B018
            except AttributeError:
                return
            port.close()

        self.addCleanup(close)

    def connect(self, port: IOpenPort, count: int = 1) -> list[socket.socket]:
        """
        Connect clients; the kernel takes them all into the backlog.
        """
        family = socket.AF_UNIX
        if isinstance(port.boundAddress, tuple):
            family = socket.AF_INET6 if len(port.boundAddress) == 4 else socket.AF_INET
        clients = []
        for _ in range(count):
            client = socket.socket(family)
            self.addCleanup(client.close)
            client.settimeout(PATIENCE)
            client.connect(port.boundAddress)  # type: ignore[arg-type]
            clients.append(client)
        return clients

    def troubled(self, port: IOpenPort, *troubles: int) -> TroubledSocket:
        """
        Have accepting fail.
        """
        assert isinstance(port, AcceptingTCPPort)
        port.socket = TroubledSocket(  # type: ignore[assignment]
            port.socket, *troubles
        )
        return port.socket  # type: ignore[return-value]


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


class AdoptedTests(PortCase):
    """
    Sockets that the primary was given, and options that Twisted does not have.
    """

    def given(self, family: int, kind: int, address: Any) -> socket.socket:
        """
        A socket that somebody has bound.
        """
        bound = socket.socket(family, kind)
        self.addCleanup(bound.close)
        bound.bind(address)
        return bound

    def hasAccepted(self, count: int) -> bool:
        """
        Whether so many connections came.
        """
        return len(self.receiver.connections) == count

    def test_tcp(self) -> None:
        """
        It is listened on, whether it was before or not, and stays open for the
        next time.
        """
        bound = self.given(socket.AF_INET, socket.SOCK_STREAM, (LOOPBACK, 0))
        for times in (1, 2):
            port = self.open(self.request(descriptor=bound.fileno()))
            self.assertEqual(port.boundAddress, bound.getsockname())
            port.startAccepting()
            self.connect(port)
            self.turnUntil(partial(self.hasAccepted, times))
            port.close()

    def test_unix(self) -> None:
        """
        A path that somebody else has bound is not removed.
        """
        bound = self.given(socket.AF_UNIX, socket.SOCK_STREAM, self.path)
        port = self.open(self.unixRequest(path=b"", descriptor=bound.fileno()))
        port.startAccepting()
        self.connect(port)
        self.turnUntil(partial(self.hasAccepted, 1))
        port.close()
        self.assertTrue(os.path.exists(self.path))

    def test_datagrams(self) -> None:
        """
        A UDP socket is shared.
        """
        bound = self.given(socket.AF_INET, socket.SOCK_DGRAM, (LOOPBACK, 0))
        port = self.share(self.request(kind=PortKind.UDP, descriptor=bound.fileno()))
        self.assertEqual(port.boundAddress, bound.getsockname())

    def test_refused(self) -> None:
        """
        What is no such socket is refused, and nothing is left.
        """
        bound = self.given(socket.AF_INET, socket.SOCK_DGRAM, (LOOPBACK, 0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, nothing)
        before = openDescriptors()
        for descriptor, number in (
            (bound.fileno(), errno.EINVAL),
            (nothing, errno.ENOTSOCK),
            (9999, errno.EBADF),
        ):
            with self.assertRaises(ListenRefused) as caught:
                self.open(self.request(descriptor=descriptor))
            self.assertEqual(caught.exception.errno, number)
        self.assertEqual(openDescriptors(), before)

    def test_connected(self) -> None:
        """
        One end of a connection is no port, whatever kind of socket it is: a
        client's, or a channel between this process and another.
        """
        with socket.create_server((LOOPBACK, 0)) as server:
            client = socket.create_connection(server.getsockname())
            accepted, _ = server.accept()
        ends = [client, accepted]
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            ends += socket.socketpair(type=kind)
        udp = self.given(socket.AF_INET, socket.SOCK_DGRAM, (LOOPBACK, 0))
        udp.connect((LOOPBACK, 9))
        for end in [*ends, udp]:
            self.addCleanup(end.close)
            for portKind in PortKind:
                request = ListenRequest(kind=portKind, descriptor=end.fileno())
                with self.assertRaises(ListenRefused) as caught:
                    self.opener.openToShare(request)
                self.assertEqual(caught.exception.errno, errno.EINVAL)

    def test_ipv6Only(self) -> None:
        """
        IPv4's port of the same number is left to others.
        """
        if not socket.has_ipv6:
            raise SkipTest("there is no IPv6 here")
        for kind in (PortKind.TCP, PortKind.UDP):
            six = self.share(self.request(kind=kind, interface="::", ipv6Only=True))
            assert isinstance(six.boundAddress, tuple)
            number = six.boundAddress[1]
            four = self.share(self.request(kind=kind, interface="0.0.0.0", port=number))
            self.assertEqual(four.boundAddress, ("0.0.0.0", number))


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
from twisted_cluster._reactor.acceptingport import PortOpener
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


class RefusalTests(PortCase):
    """
    Ports that cannot be opened.
    """

    def assertRefused(
        self,
        request: ListenRequest,
        number: int,
        surroundings: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> ListenRefused:
        """
        The kernel refuses, with this number, also to share; nothing is left.
        """
        before = openDescriptors()
        listed = os.listdir(self.directory)
        for opening in (
            lambda: self.opener.openForHandoff(request, self.receiver),
            lambda: self.opener.openToShare(request),
        ):
            with self.assertRaises(ListenRefused) as caught, surroundings():
                opening()
            refused: ListenRefused = caught.exception
            self.assertEqual(refused.errno, number)
            # While the exception is still there, and what it refers to.
            self.assertEqual(openDescriptors(), before)
            self.assertEqual(os.listdir(self.directory), listed)
        return refused

    def test_inUse(self) -> None:
        """
        The address is in use.
        """
        address: Any = self.open().boundAddress
        refused = self.assertRefused(self.request(port=address[1]), errno.EADDRINUSE)
        self.assertEqual(refused.reason, os.strerror(errno.EADDRINUSE))

    def test_inUseDatagram(self) -> None:
        """
        So it may be for datagrams.
        """
        address: Any = self.share(self.request(kind=PortKind.UDP)).boundAddress
        with self.assertRaises(ListenRefused) as caught:
            self.opener.openToShare(self.request(kind=PortKind.UDP, port=address[1]))
        self.assertEqual(caught.exception.errno, errno.EADDRINUSE)

    def test_inUseByListener(self) -> None:
        """
        Two sockets may be bound to one address with C{SO_REUSEADDR}, and only
        listening is refused then.
        """
        with socket.socket() as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((LOOPBACK, 0))
            port = bound.getsockname()[1]
            with socket.socket() as listening:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((LOOPBACK, port))
                listening.listen()
                self.assertRefused(self.request(port=port), errno.EADDRINUSE)

    def test_notAvailable(self) -> None:
        """
        The address is not one of this machine's.
        """
        self.assertRefused(self.request(interface="192.0.2.1"), errno.EADDRNOTAVAIL)
        with self.assertRaises(ListenRefused) as caught:
            self.opener.openToShare(
                self.request(kind=PortKind.UDP, interface="192.0.2.1")
            )
        self.assertEqual(caught.exception.errno, errno.EADDRNOTAVAIL)

    def test_notAllowed(self) -> None:
        """
        This user may not bind the port.
        """
        try:
            with unprivileged(), socket.socket() as probe:
                probe.bind((LOOPBACK, 1))
        except PermissionError:
            self.assertRefused(self.request(port=1), errno.EACCES, unprivileged)
        else:
            raise SkipTest("here everybody may bind every port")

    def test_notAllowedThere(self) -> None:
        """
        This user may not write in the path's directory.
        """
        os.chmod(self.directory, 0o500)
        for more in ({}, {"wantPID": True}):
            self.assertRefused(self.unixRequest(**more), errno.EACCES, unprivileged)

    def test_noSuchName(self) -> None:
        """
        What is no address and no name is refused with the resolver's number.
        """
        self.assertRefused(self.request(interface="no such name"), socket.EAI_NONAME)

    def test_noDirectory(self) -> None:
        """
        A path's directory does not exist; with a lock file neither.
        """
        for more in ({}, {"wantPID": True}):
            self.assertRefused(
                self.unixRequest(path=self.path + b"/x/y", **more), errno.ENOENT
            )

    def test_noDirectoryDatagram(self) -> None:
        """
        So it may be for datagrams.
        """
        with self.assertRaises(ListenRefused) as caught:
            self.opener.openToShare(
                self.unixRequest(kind=PortKind.UNIX_DATAGRAM, path=self.path + b"/x/y")
            )
        self.assertEqual(caught.exception.errno, errno.ENOENT)

    def test_tooLong(self) -> None:
        """
        A path that is too long has no number of the kernel's.
        """
        refused = self.assertRefused(
            self.unixRequest(path=b"/" + b"x" * 200), errno.EINVAL
        )
        self.assertIn("too long", refused.reason)

    def test_noFile(self) -> None:
        """
        A path that is no socket stays, whatever it is.
        """
        with open(self.path, "w") as file:
            file.write("precious")
        for more in ({}, {"wantPID": True}):
            self.assertRefused(self.unixRequest(**more), errno.EADDRINUSE)
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")

    def test_locked(self) -> None:
        """
        A lock file that a living process holds is respected, and stays.
        """
        self.open(self.unixRequest(wantPID=True))
        refused = self.assertRefused(self.unixRequest(wantPID=True), errno.EADDRINUSE)
        self.assertIn("lock", refused.reason)

    def test_cannotListen(self) -> None:
        """
        If listening is refused after binding, the path is removed again.
        """

        class Refusing(AcceptingUNIXPort):
            def startReading(self) -> None:
                raise OSError(errno.ENOBUFS, "no buffers")

        self.patch(acceptingport, "AcceptingUNIXPort", Refusing)
        for more in ({}, {"wantPID": True}):
            self.assertRefused(self.unixRequest(**more), errno.ENOBUFS)

    def test_noSocket(self) -> None:
        """
        If there is not even a socket to be had, that is said too.
        """

        def noSocket(*args: object) -> None:
            raise OSError(errno.EMFILE, "no more")

        self.patch(socket, "socket", noSocket)
        self.assertRefused(self.request(), errno.EMFILE)
        with self.assertRaises(ListenRefused) as caught:
            self.opener.openToShare(self.request(kind=PortKind.UDP))
        self.assertEqual(caught.exception.errno, errno.EMFILE)


class UNIXTests(PortCase):
    """
    Ports that are paths.
    """

    def test_accept(self) -> None:
        """
        Connections are accepted as those of other ports are.
        """
        port = self.open(self.unixRequest())
        self.connect(port, 2)
        port.startAccepting()
        self.turnUntil(lambda: self.receiver.batches)
        self.assertEqual([*map(len, self.receiver.batches)], [2])

    def test_mode(self) -> None:
        """
        The path has the permissions that were asked for, and is gone when the
        port is closed.
        """
        for kind in (PortKind.UNIX, PortKind.UNIX_DATAGRAM):
            port = self.share(self.unixRequest(kind=kind, mode=0o640))
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
            self.assertEqual(port.boundAddress, os.fsdecode(self.path))
            port.close()
            self.assertFalse(os.path.exists(self.path))

    def test_modeFromTheBeginning(self) -> None:
        """
        There is no moment at which a datagram socket's path has more permissions
        than were asked for.
        """
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        changed: list[bytes] = []

        def chmod(path: bytes, mode: int) -> None:
            changed.append(path)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

        self.patch(os, "chmod", chmod)
        self.share(self.unixRequest(kind=PortKind.UNIX_DATAGRAM, mode=0o600))
        self.assertEqual(changed, [self.path])
        self.assertEqual(os.umask(0), 0)

    def test_modeBeforeItListens(self) -> None:
        """
        A stream socket's path has its permissions before anybody can connect.
        """
        refused: list[bytes] = []
        chmod = os.chmod

        def connectFirst(path: bytes, mode: int) -> None:
            with (
                socket.socket(socket.AF_UNIX) as early,
                self.assertRaises(ConnectionRefusedError),
            ):
                early.connect(path)
            refused.append(path)
            chmod(path, mode)

        self.patch(os, "chmod", connectFirst)
        self.open(self.unixRequest(mode=0o600))
        self.assertEqual(refused, [self.path])
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_removedBySomebody(self) -> None:
        """
        A port can be closed whose path, and lock file, somebody else removed.
        """
        for kind, wantPID in (
            (PortKind.UNIX, False),
            (PortKind.UNIX, True),
            (PortKind.UNIX_DATAGRAM, False),
        ):
            port = self.share(self.unixRequest(kind=kind, wantPID=wantPID))
            for name in os.listdir(self.directory):
                os.unlink(name, dir_fd=self.directory)
            port.close()
            self.assertRaises(AttributeError, getattr, port, "socket")

    def test_replacedBySomebody(self) -> None:
        """
        What is at the path by now stays, whether it is another's socket or no
        socket at all.
        """
        for kind in (PortKind.UNIX, PortKind.UNIX_DATAGRAM):
            port = self.share(self.unixRequest(kind=kind))
            os.unlink(self.path)
            with socket.socket(socket.AF_UNIX) as another:
                another.bind(self.path)
            port.close()
            self.assertTrue(stat.S_ISSOCK(os.stat(self.path).st_mode))
            os.unlink(self.path)
            port = self.share(self.unixRequest(kind=kind))
            os.unlink(self.path)
            with open(self.path, "wb"):
                pass
            port.close()
            self.assertTrue(stat.S_ISREG(os.stat(self.path).st_mode))
            os.unlink(self.path)

    def test_noSocket(self) -> None:
        """
        Only sockets are stale: a file, a directory and a link to a dead socket
        stay, and the path is in use.
        """
        dead = self.path + b"-dead"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(dead)
        self.addCleanup(os.unlink, dead)
        makers: list[tuple[Callable[[], object], Callable[[bytes], None]]] = [
            (lambda: open(self.path, "wb").close(), os.unlink),
            (lambda: os.mkdir(self.path), os.rmdir),
            (lambda: os.symlink(dead, self.path), os.unlink),
        ]
        for make, remove in makers:
            make()
            before = os.lstat(self.path)
            for kind in (PortKind.UNIX, PortKind.UNIX_DATAGRAM):
                with self.assertRaises(ListenRefused) as caught:
                    self.opener.openToShare(self.unixRequest(kind=kind))
                self.assertEqual(caught.exception.errno, errno.EADDRINUSE)
                self.assertEqual(os.lstat(self.path).st_ino, before.st_ino)
            remove(self.path)
        self.assertTrue(os.path.exists(dead))

    def test_lock(self) -> None:
        """
        A lock file beside the path is there while the port is, and a stale one
        is taken over with its path.
        """
        lock = self.path + b".lock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.path)
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            pass
        os.symlink(str(ended.pid), lock)
        port = self.open(self.unixRequest(wantPID=True))
        self.assertEqual(os.readlink(lock), str(os.getpid()).encode())
        port.close()
        self.assertEqual(os.listdir(self.directory), [])

    def test_stale(self) -> None:
        """
        A path that a killed process left does not stop the next one.
        """
        for kind, socketKind in (
            (PortKind.UNIX, socket.SOCK_STREAM),
            (PortKind.UNIX_DATAGRAM, socket.SOCK_DGRAM),
        ):
            with socket.socket(socket.AF_UNIX, socketKind) as dead:
                dead.bind(self.path)
            self.share(self.unixRequest(kind=kind)).close()

    def assertStays(self, kind: PortKind, live: socket.socket) -> None:
        """
        A path is in use, and stays with who uses it.
        """
        inode = os.stat(self.path).st_ino
        with self.assertRaises(ListenRefused) as caught:
            self.opener.openToShare(self.unixRequest(kind=kind))
        self.assertEqual(caught.exception.errno, errno.EADDRINUSE)
        self.assertEqual(os.stat(self.path).st_ino, inode)
        live.close()
        os.unlink(self.path)

    def test_live(self) -> None:
        """
        A path that somebody listens on stays, also if their backlog is full.
        """
        for full in (False, True):
            live = socket.socket(socket.AF_UNIX)
            live.bind(self.path)
            live.listen(0)
            if full:
                for _ in range(2):
                    client = socket.socket(socket.AF_UNIX)
                    self.addCleanup(client.close)
                    client.setblocking(False)
                    client.connect_ex(self.path)
            self.assertStays(PortKind.UNIX, live)

    def test_liveDatagram(self) -> None:
        """
        So does one at which somebody receives, or that is of another kind.
        """
        for kind in (PortKind.UNIX, PortKind.UNIX_DATAGRAM):
            live = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            live.bind(self.path)
            self.assertStays(kind, live)

    def test_notOurs(self) -> None:
        """
        A stale path that may not be removed is refused as one that is in use.
        """
        with tempfile.TemporaryDirectory(dir="/tmp") as directory:
            path = directory.encode() + b"/socket"
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(path)
            os.chmod(path, 0o777)
            os.chmod(directory, 0o555)
            with self.assertRaises(ListenRefused) as caught, unprivileged():
                self.opener.openToShare(self.unixRequest(path=path))
            self.assertEqual(caught.exception.errno, errno.EADDRINUSE)
            self.assertTrue(os.path.exists(path))
            os.chmod(directory, 0o700)

    @skipIf(not sys.platform.startswith("linux"), "only Linux has them")
    def test_abstract(self) -> None:
        """
        An abstract name is no path: there is nothing to remove.
        """
        name = f"\0twisted-cluster-{os.getpid()}".encode()
        for kind in (PortKind.UNIX, PortKind.UNIX_DATAGRAM):
            port = self.share(self.unixRequest(kind=kind, path=name))
            self.assertEqual(port.boundAddress, name)
            port.close()

    def test_datagrams(self) -> None:
        """
        A shared port for datagrams receives them.
        """
        port = self.share(self.unixRequest(kind=PortKind.UNIX_DATAGRAM))
        with (
            socket.socket(fileno=os.dup(port.descriptor)) as worker,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client,
        ):
            client.sendto(b"hello", self.path)
            self.assertEqual(worker.recv(9), b"hello")


class DatagramTests(PortCase):
    """
    Ports for datagrams.
    """

    def test_receive(self) -> None:
        """
        What is sent to the port can be read by whoever has its descriptor; the
        primary does not read.
        """
        for interface in (LOOPBACK, "::1") if socket.has_ipv6 else (LOOPBACK,):
            port = self.share(self.request(kind=PortKind.UDP, interface=interface))
            port.startAccepting()
            port.stopAccepting()
            address: Any = port.boundAddress
            family = socket.AF_INET6 if ":" in interface else socket.AF_INET
            with (
                socket.socket(fileno=os.dup(port.descriptor)) as worker,
                socket.socket(family, socket.SOCK_DGRAM) as client,
            ):
                self.assertFalse(os.get_blocking(port.descriptor))
                client.sendto(b"hello", address)
                self.assertNotIn(port, self.reactor.getReaders())
                worker.settimeout(PATIENCE)
                self.assertEqual(worker.recv(9), b"hello")

    def test_everywhere(self) -> None:
        """
        No interface is every one.
        """
        port = self.share(self.request(kind=PortKind.UDP, interface=""))
        self.assertEqual(port.boundAddress[0], "0.0.0.0")  # type: ignore[index]

    def test_close(self) -> None:
        """
        Closing is done when it returns.
        """
        port = self.share(self.request(kind=PortKind.UDP))
        address: Any = port.boundAddress
        port.close()
        again = self.share(self.request(kind=PortKind.UDP, port=address[1]))
        self.assertEqual(again.boundAddress, address)


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
