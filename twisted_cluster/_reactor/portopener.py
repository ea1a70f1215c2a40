"""
Binds the primary's ports, or says why that cannot be done.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from twisted.internet import abstract
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from zope.interface import implementer

from twisted_cluster._reactor.acceptingport import AcceptingTCPPort, AcceptingUNIXPort
from twisted_cluster._reactor.shareddatagramport import SharedDatagramPort
from twisted_cluster._reactor.unixpaths import isPath, removeStaleSocket
from twisted_cluster.errors import ListenRefused
from twisted_cluster.interfaces import IConnectionReceiver, IOpenPort, IPortOpener
from twisted_cluster.listening import ListenRequest, PortKind


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
        port.acceptFor(receiver)
        return port

    def openToShare(self, request: ListenRequest) -> IOpenPort:
        """
        Open a port that the workers use themselves.
        """
        if not request.kind.isStream:
            return self._openDatagram(request)
        port = self._openStream(request)
        port.leaveToOthers()
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
            # Somebody else may use it, too.
            port.leaveToOthers()
            port.startListening()
        return port

    def _unixPort(self, request: ListenRequest) -> AcceptingUNIXPort:
        """
        A UNIX port, whose path is free if it can be made free.
        """
        if not request.wantPID:
            _makeFree(request.path, socket.SOCK_STREAM)
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
            _makeFree(request.path, socket.SOCK_DGRAM)
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
                if isPath(request.path):
                    os.chmod(request.path, request.mode)
                unlessOpened.pop_all()
        except OSError as e:
            raise _refusal(e) from e
        return port


def _makeFree(path: bytes, kind: socket.SocketKind) -> None:
    """
    Remove a socket that nobody listens on any more.

    @raise ListenRefused: if that cannot be told: it takes a socket to ask.
    """
    try:
        removeStaleSocket(path, kind)
    except OSError as e:
        raise _refusal(e) from e


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


def _hasPeer(connected: socket.socket) -> bool:
    """
    Whether a socket is one end of a connection: a client's, or this process's
    own with another, which is nobody else's to read.
    """
    try:
        connected.getpeername()
    except OSError:
        return False
    return True


def _refusal(error: object) -> ListenRefused:
    """
    Why a port could not be opened, in a form that crosses to the worker.
    """
    if isinstance(error, socket.gaierror):
        # It has a number of its own, which is none of the kernel's.
        return ListenRefused(errno.EADDRNOTAVAIL, error.strerror or "")
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
