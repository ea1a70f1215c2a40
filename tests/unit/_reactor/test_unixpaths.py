"""
Tests of L{twisted_cluster._reactor.unixpaths}.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from unittest import skipIf

from tests.unit._reactor.opening import PortCase, unprivileged
from twisted_cluster.errors import ListenRefused
from twisted_cluster.listening import PortKind


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
