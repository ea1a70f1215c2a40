"""
The primary's listening ports: Twisted's own, except that what they accept
becomes no protocol, but is handed on as bare descriptors.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import socket
import stat
import sys
import termios
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from twisted.internet import abstract, tcp, unix
from twisted.internet.error import CannotListenError
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster.errors import ListenRefused
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
    IPortOpener,
)
from twisted_cluster.listening import ListenRequest, PortKind

BATCH = 253
"""
How many connections are accepted in one turn at most: others have to have theirs,
too.
"""

EXHAUSTION_PAUSE = 0.1
"""
Seconds until the next try after accepting failed, as it does when the process
or the machine has no descriptor or no memory for one more connection.  It stays
in the backlog meanwhile.
"""

PATH_LIMIT = 103
"""
How many bytes a UNIX socket's path has at most, where the kernel takes least.
"""

RESERVE = 256
"""
How many descriptors connections leave to the rest of the process, or a quarter of
its limit if that is less.  Each worker that is started needs a dozen, and waiting
connections must not keep the worker from starting that would take them.
"""

# One client's misfortune: the next connection may be accepted at once.
_OF_ONE_CLIENT = frozenset({errno.ECONNABORTED, errno.EPERM, errno.EPROTO})

# Twisted's ports have an attribute C{socket}, which hides the module.
_Socket = socket.socket


class _NoProtocols(ServerFactory):
    """
    The factory of a port that never builds a protocol.
    """

    noisy = False

    def logPrefix(self) -> str:
        """
        How the port calls itself in the log.
        """
        return "Cluster port"


class _AcceptingMixin:
    """
    What is the same for TCP and UNIX ports.

    @ivar _receiver: Where connections go; C{None} for a port that is shared.
    @ivar _wanted: Whether to accept at all at present.
    @ivar _exhausted: Whether there was no room for a connection the last time,
        which was logged then.
    @ivar _created: The socket, from before it is bound.
    """

    _log = Logger()
    _receiver: IConnectionReceiver | None = None
    _wanted = False
    _exhausted = False
    _created: _Socket | None = None

    reactor: Any
    socket: _Socket

    @property
    def descriptor(self) -> int:
        """
        The listening socket's.
        """
        return self.socket.fileno()

    @property
    def boundAddress(self) -> object:
        """
        The listening socket's name.
        """
        return self.socket.getsockname()

    def startReading(self) -> None:
        """
        Twisted's ports accept from the start; these when they are told to.
        """
        if self._wanted:
            super().startReading()  # type: ignore[misc]

    def startAccepting(self) -> None:
        """
        Accept from now on.
        """
        if self._receiver is not None and not self._wanted:
            self._wanted = True
            self.startReading()

    def stopAccepting(self) -> None:
        """
        Leave connections in the backlog.
        """
        self._wanted = False
        self.stopReading()  # type: ignore[attr-defined]

    def isGivenUp(self, connection: AcceptedConnection) -> bool:
        """
        Whether a client has gone, and left nothing to be read.

        The end of what it sends is no sign of it: it may wait for an answer.
        """
        poll = select.poll()
        poll.register(connection.descriptor, 0)
        if not poll.poll(0):
            # Neither reset nor closed in both directions.
            return False
        unread = array("i", [0])
        fcntl.ioctl(connection.descriptor, termios.FIONREAD, unread)
        return not unread[0]

    def doRead(self) -> None:
        """
        Accept what is waiting, and hand it on in one piece.

        Twisted's own loop accepts and closes connections when it runs out of
        descriptors.  Here they are left in the backlog, where they wait.
        """
        assert self._receiver is not None
        reserved = _firstReserved()
        if self._exhausted and _lowestFree() >= reserved:
            self._pause()
            return
        connections = []
        trouble = None
        for _ in range(BATCH):
            try:
                accepted, _peer = self.socket.accept()
            except OSError as e:
                trouble = e
                break
            descriptor = accepted.detach()
            connections.append(
                AcceptedConnection(descriptor, os.fstat(descriptor).st_ino)
            )
            # The kernel gives the lowest number that is free.
            if descriptor >= reserved:
                trouble = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
                break
        if trouble is None or trouble.errno in (errno.EAGAIN, errno.EWOULDBLOCK):
            self._exhausted = False
        else:
            self._acceptFailed(trouble)
        if connections:
            self._receiver.connectionsAccepted(connections)

    def _acceptFailed(self, error: OSError) -> None:
        """
        Tell one client's trouble from the port's.
        """
        if not self._exhausted:
            self._log.warn(
                "could not accept a connection on {address}: {error}",
                address=self.boundAddress,
                error=error,
            )
        if error.errno not in _OF_ONE_CLIENT:
            self._exhausted = True
            self._pause()

    def _pause(self) -> None:
        """
        Connections stay in the backlog, so the port stays readable: without a
        pause this would spin.
        """
        self.stopReading()  # type: ignore[attr-defined]
        self.reactor.callLater(EXHAUSTION_PAUSE, self.startReading)

    def createInternetSocket(self) -> _Socket:
        """
        Remember the socket, should it be bound and then cannot listen.
        """
        created: _Socket = super().createInternetSocket()  # type: ignore[misc]
        self._created = created
        return created

    def abandon(self) -> None:
        """
        Leave nothing behind of a port that could not be opened.
        """
        if self._created is not None:
            self._created.close()

    def close(self) -> None:
        """
        Close the port, at once.
        """
        self._wanted = False
        self.connectionLost(Failure(CONNECTION_DONE))  # type: ignore[attr-defined]


@implementer(IOpenPort)
class AcceptingTCPPort(_AcceptingMixin, tcp.Port):
    """
    A TCP port of the primary's.

    @ivar ipv6Only: Whether it leaves IPv4 alone.
    """

    ipv6Only = False

    def createInternetSocket(self) -> _Socket:
        """
        Set what Twisted's have no option for.
        """
        created = super().createInternetSocket()
        if self.ipv6Only and created.family == socket.AF_INET6:
            created.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return created


@implementer(IOpenPort)
class AcceptingUNIXPort(_AcceptingMixin, unix.Port):
    """
    A UNIX port of the primary's.

    @ivar path: The whole path, once there is a socket for it.
    @ivar _bound: Which socket is at the path, once it is ours.
    """

    path: bytes

    _pathIsOurs = True
    _bound: tuple[int, int] | None = None

    def adopt(self, bound: _Socket) -> None:
        """
        Use a socket that somebody else has bound, and whose path is theirs.
        """
        self._pathIsOurs = False
        self._shouldShutdown = False
        self.socket = bound
        self.fileno = bound.fileno  # type: ignore[method-assign]
        assert self.factory is not None
        self.factory.doStart()
        self.connected = True

    def createInternetSocket(self) -> _Socket:
        """
        Have it bound by a name that the kernel takes.  Everything else goes by
        the whole path, which means the same in any directory.
        """
        self.path, self._bindPath = self._bindPath, _bindable(self._bindPath)
        return super().createInternetSocket()

    def startListening(self) -> None:
        """
        Remember whose path it is now.
        """
        super().startListening()
        self._bound = _socketAt(self.path)

    def connectionLost(self, reason: Failure) -> None:
        """
        Clean up, also if somebody else has removed the path already, or has
        bound it again.
        """
        if self._pathIsOurs and self._bound is not None:
            _removeSocket(self.path, self._bound)
        self._unlock()
        tcp.Port.connectionLost(self, reason)

    def abandon(self) -> None:
        """
        Leave no path behind either, if it came as far as that.
        """
        created = self._created
        if created is not None and created.fileno() != -1 and created.getsockname():
            _removeSocket(self.path, _socketAt(self.path))
        super().abandon()
        self._unlock()

    def _unlock(self) -> None:
        """
        Remove the lock file, if it is still there and ours.
        """
        if self.lockFile is not None and self.lockFile.locked:
            with suppress(OSError, ValueError):
                self.lockFile.unlock()


@implementer(IOpenPort)
class SharedDatagramPort:
    """
    A bound datagram socket that the primary keeps and the workers read.

    @ivar path: What to remove when it is closed, if that is a path.
    @ivar _bound: Which socket is at the path.
    """

    def __init__(self, bound: socket.socket, path: bytes) -> None:
        self._socket = bound
        self.path = path
        self._bound: tuple[int, int] | None = None

    def boundTo(self, path: bytes) -> None:
        """
        It has this path now.
        """
        self.path = path
        self._bound = _socketAt(path)

    @property
    def descriptor(self) -> int:
        """
        The socket's.
        """
        return self._socket.fileno()

    @property
    def boundAddress(self) -> object:
        """
        The socket's name.
        """
        return self._socket.getsockname()

    def startAccepting(self) -> None:
        """
        The workers read.
        """

    def stopAccepting(self) -> None:
        """
        The workers read.
        """

    def isGivenUp(self, connection: AcceptedConnection) -> bool:
        """
        It has no connections.
        """
        return False

    def close(self) -> None:
        """
        Close the socket; the workers' duplicates of it go on.
        """
        self._socket.close()
        _removeSocket(self.path, self._bound)


@implementer(IPortOpener)
class PortOpener:
    """
    Opens the primary's ports.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: Provides C{IReactorFDSet} and C{IReactorTime}.
        """
        self._reactor = reactor

    def openForHandoff(
        self, request: ListenRequest, receiver: IConnectionReceiver
    ) -> IOpenPort:
        """
        Open a port whose connections C{receiver} is given.
        """
        port = self._openStream(request)
        port._receiver = receiver
        return port

    def openToShare(self, request: ListenRequest) -> IOpenPort:
        """
        Open a port that the workers use themselves.
        """
        if not request.kind.isStream:
            return self._openDatagram(request)
        port = self._openStream(request)
        # Closing ours leaves the workers' to them.
        port._shouldShutdown = False
        return port

    def _openStream(
        self, request: ListenRequest
    ) -> AcceptingTCPPort | AcceptingUNIXPort:
        """
        Bind, listen, and do not accept yet.
        """
        port: AcceptingTCPPort | AcceptingUNIXPort
        if request.descriptor is not None:
            return self._adoptStream(request)
        if request.kind is PortKind.UNIX:
            port = self._unixPort(request)
        else:
            port = AcceptingTCPPort(
                request.port,
                _NoProtocols(),
                request.backlog,
                request.interface,
                self._reactor,
            )
            port._reuseAddress = request.reuseAddress  # type: ignore[attr-defined]
            port.ipv6Only = request.ipv6Only
        try:
            with ExitStack() as unlessOpened:
                unlessOpened.callback(port.abandon)
                port.startListening()
                unlessOpened.pop_all()
        except CannotListenError as e:
            raise _refusal(e.socketError) from e
        except OSError as e:
            # From listen(2), which Twisted lets through as it is.
            raise _refusal(e) from e
        return port

    def _adoptStream(
        self, request: ListenRequest
    ) -> AcceptingTCPPort | AcceptingUNIXPort:
        """
        Listen on a socket that this process was given.
        """
        port: AcceptingTCPPort | AcceptingUNIXPort
        adopted = _adopted(request)
        try:
            if not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                adopted.listen(request.backlog)
            name = adopted.getsockname()
        except OSError as e:
            adopted.close()
            raise _refusal(e) from e
        if request.kind is PortKind.UNIX:
            port = AcceptingUNIXPort(
                os.fsencode(name), _NoProtocols(), reactor=self._reactor
            )
            port.adopt(adopted)
        else:
            port = AcceptingTCPPort(0, _NoProtocols(), 0, name[0], self._reactor)
            port._preexistingSocket = adopted
            port.startListening()
        return port

    def _unixPort(self, request: ListenRequest) -> AcceptingUNIXPort:
        """
        A UNIX port, whose path is free if it can be made free.
        """
        if not request.wantPID:
            _removeStaleSocket(request.path, socket.SOCK_STREAM)
        return AcceptingUNIXPort(
            request.path,
            _NoProtocols(),
            request.backlog,
            request.mode,
            self._reactor,
            request.wantPID,
        )

    def _openDatagram(self, request: ListenRequest) -> SharedDatagramPort:
        """
        Bind a datagram socket.
        """
        address: Any
        if request.descriptor is not None:
            return SharedDatagramPort(_adopted(request), b"")
        if request.kind is PortKind.UNIX_DATAGRAM:
            _removeStaleSocket(request.path, socket.SOCK_DGRAM)
            family, address = socket.AF_UNIX, request.path
        else:
            isIPv6 = abstract.isIPv6Address(request.interface)
            family = socket.AF_INET6 if isIPv6 else socket.AF_INET
            address = (request.interface, request.port)
        try:
            bound = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as e:
            raise _refusal(e) from e
        port = SharedDatagramPort(bound, b"")
        try:
            with ExitStack() as unlessOpened:
                unlessOpened.callback(port.close)
                bound.setblocking(False)
                if request.ipv6Only and family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                with _creating(request.mode):
                    bound.bind(address)
                port.boundTo(request.path)
                if _isPath(request.path):
                    os.chmod(request.path, request.mode)
                unlessOpened.pop_all()
        except OSError as e:
            raise _refusal(e) from e
        return port


def _adopted(request: ListenRequest) -> socket.socket:
    """
    A duplicate of a socket that this process was given.

    @raise ListenRefused: if it has no such socket.
    """
    assert request.descriptor is not None
    try:
        duplicate = os.dup(request.descriptor)
    except OSError as e:
        raise _refusal(e) from e
    try:
        adopted = socket.socket(fileno=duplicate)
    except OSError as e:
        os.close(duplicate)
        raise _refusal(e) from e
    kind = socket.SOCK_STREAM if request.kind.isStream else socket.SOCK_DGRAM
    isPath = adopted.family == socket.AF_UNIX
    if (isPath, adopted.type) != (request.kind.isPath, kind) or _hasPeer(adopted):
        adopted.close()
        raise ListenRefused(
            errno.EINVAL, f"descriptor {request.descriptor} is another kind of socket"
        )
    adopted.setblocking(False)
    return adopted


def _hasPeer(connected: _Socket) -> bool:
    """
    Whether a socket is one end of a connection: a client's, or this process's
    own with another, which is nobody else's to read.
    """
    try:
        connected.getpeername()
    except OSError:
        return False
    return True


def _firstReserved() -> int:
    """
    The lowest descriptor that is not for connections.
    """
    limit, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return sys.maxsize
    return limit - min(RESERVE, limit // 4)


def _lowestFree() -> int:
    """
    The descriptor that the next connection would get.
    """
    try:
        descriptor = os.open(os.devnull, os.O_RDONLY)
    except OSError:
        return sys.maxsize
    os.close(descriptor)
    return descriptor


def _refusal(error: object) -> ListenRefused:
    """
    Why a port could not be opened, in a form that crosses to the worker.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return ListenRefused(error.errno, error.strerror or "")
    if isinstance(error, OSError):
        # Python refuses a path that is too long for the kernel by itself.
        return ListenRefused(errno.EINVAL, str(error))
    # A lock file that somebody else holds: Twisted says so in words only.
    return ListenRefused(errno.EADDRINUSE, str(error))


@contextmanager
def _creating(mode: int) -> Iterator[None]:
    """
    Have what is created meanwhile no other permissions, not even for a moment.
    """
    before = os.umask(0o777 & ~mode)
    try:
        yield
    finally:
        os.umask(before)


def _isPath(name: bytes) -> bool:
    """
    Whether a UNIX socket of this name is in the file system.
    """
    return bool(name) and unix._inFilesystemNamespace(name)


def _bindable(path: bytes) -> bytes:
    """
    The same path in fewer bytes, if it has more than the kernel takes.
    """
    if len(path) <= PATH_LIMIT or not _isPath(path):
        return path
    return min(path, os.path.relpath(path), key=len)


def _socketAt(path: bytes) -> tuple[int, int] | None:
    """
    Which socket is at a path itself, as the kernel tells files apart; C{None} if
    there is none, or something else, such as a link.
    """
    if not _isPath(path):
        return None
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISSOCK(found.st_mode) else None


def _removeSocket(path: bytes, which: tuple[int, int] | None) -> None:
    """
    Remove a socket's path, if it can be done: somebody else may have, and may
    have something else there by now, which stays.
    """
    if which is not None and _socketAt(path) == which:
        with suppress(OSError):
            os.unlink(path)


def _removeStaleSocket(path: bytes, kind: socket.SocketKind) -> None:
    """
    Remove the socket that a primary left which had no time to clean up.

    A path that nobody listens on any more refuses connections; one that is in
    use accepts them, or has a full backlog, and stays.  So does everything that
    is no socket, also a link to one: a worker may have named any path.
    """
    found = _socketAt(path)
    if found is None:
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(_bindable(path))
        except ConnectionRefusedError:
            _removeSocket(path, found)
        except OSError:
            # In use (EAGAIN: its backlog is full), or not ours to judge.
            return
