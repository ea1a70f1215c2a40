"""
Tests of L{twisted_cluster._reactor.portopener}.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any
from unittest import SkipTest

from tests.unit._reactor.opening import LOOPBACK, PortCase, unprivileged
from tests.unit.realreactor import openDescriptors
from twisted_cluster._reactor import portopener
from twisted_cluster._reactor.acceptingport import (
    AcceptingUNIXPort,
)
from twisted_cluster.errors import ListenRefused
from twisted_cluster.listening import ListenRequest, PortKind


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

    def test_onlyOurs(self) -> None:
        """
        Closing it here ends it for nobody else who has it.
        """
        bound = self.given(socket.AF_INET, socket.SOCK_STREAM, (LOOPBACK, 0))
        port = self.open(self.request(descriptor=bound.fileno()))
        self.assertTrue(port.isAt(bound.fileno()))
        self.assertFalse(port.isAt(0))
        self.assertFalse(port.isAt(9999))
        self.connect(port)
        port.close()
        self.assertFalse(port.isOpen)
        self.assertFalse(port.isAt(bound.fileno()))
        bound.accept()[0].close()

    def test_endedByOthers(self) -> None:
        """
        Somebody else who has it can end it: then it is not open any more, knows
        where it was, and can still be closed.
        """
        bound = self.given(socket.AF_INET, socket.SOCK_STREAM, (LOOPBACK, 0))
        port = self.open(self.request(descriptor=bound.fileno()))
        name = port.boundAddress
        port.startAccepting()
        self.assertTrue(port.isOpen)
        bound.shutdown(socket.SHUT_RDWR)
        self.turnUntil(lambda: not port.isOpen)
        self.assertEqual(port.boundAddress, name)
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
        self.assertTrue(port.isAt(bound.fileno()))
        self.assertFalse(port.isAt(0))
        self.assertTrue(port.isOpen)
        port.close()
        self.assertFalse(port.isOpen)

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
        What is no address and no name is refused with a number of the kernel's: the
        resolver's own mean nothing to the worker.
        """
        self.assertRefused(self.request(interface="no such name"), errno.EADDRNOTAVAIL)

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

        self.patch(portopener, "AcceptingUNIXPort", Refusing)
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

    def test_noDescriptorsForStale(self) -> None:
        """
        Nor if one is needed to see whether somebody listens on a path.
        """
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(self.path)
        bound.close()

        def noSocket(*args: object) -> None:
            raise OSError(errno.EMFILE, "no more")

        self.patch(socket, "socket", noSocket)
        for kind in (PortKind.UNIX, PortKind.UNIX_DATAGRAM):
            self.assertRefused(self.unixRequest(kind=kind), errno.EMFILE)
