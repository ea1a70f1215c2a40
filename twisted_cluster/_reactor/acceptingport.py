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
import sys
import termios
from array import array
from contextlib import suppress
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.main import CONNECTION_DONE
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._reactor.unixpaths import bindable, removeSocket, socketAt
from twisted_cluster._wire.descriptors import inodeOf, isSame
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
)

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


class _AcceptingMixin:
    """
    What is the same for TCP and UNIX ports.

    @ivar _receiver: Where connections go; C{None} for a port that is shared.
    @ivar _wanted: Whether to accept at all at present.
    @ivar _exhausted: Whether there was no room for a connection the last time,
        which was logged then.
    @ivar _created: The socket, from before it is bound.
    @ivar _name: The socket's name, once somebody asked for it.
    """

    _log = Logger()
    _receiver: IConnectionReceiver | None = None
    _wanted = False
    _exhausted = False
    _created: _Socket | None = None
    _name: object = None

    connected: Any
    reactor: Any
    socket: _Socket
    _shouldShutdown: bool

    def acceptFor(self, receiver: IConnectionReceiver) -> None:
        """
        Give connections to C{receiver}.
        """
        self._receiver = receiver

    @property
    def descriptor(self) -> int:
        """
        The listening socket's; -1 of a port that is closed.
        """
        return self.socket.fileno() if self.isOpen else -1

    @property
    def boundAddress(self) -> object:
        """
        The listening socket's name, which stays the port's when that is closed.
        """
        if self._name is None:
            self._name = self.socket.getsockname()
        return self._name

    @property
    def isOpen(self) -> bool:
        """
        Whether the reactor has closed it: it does when somebody else who has the
        socket shuts it down.
        """
        return bool(self.connected)

    def isAt(self, descriptor: int) -> bool:
        """
        Whether it is the same socket.
        """
        return isSame(self.descriptor, descriptor)

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
            connections.append(AcceptedConnection(descriptor, inodeOf(descriptor)))
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

    def leaveToOthers(self) -> None:
        """
        Close nothing but the descriptor, when it is closed: shutdown(2) would end the
        socket for everybody.
        """
        self._shouldShutdown = False

    def close(self) -> None:
        """
        Close the port, at once, if it is open.
        """
        self._wanted = False
        if self.isOpen:
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
        self.leaveToOthers()
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
        self.path, self._bindPath = self._bindPath, bindable(self._bindPath)
        return super().createInternetSocket()

    def startListening(self) -> None:
        """
        Remember whose path it is now.
        """
        super().startListening()
        self._bound = socketAt(self.path)

    def connectionLost(self, reason: Failure) -> None:
        """
        Clean up, also if somebody else has removed the path already, or has
        bound it again.
        """
        if self._pathIsOurs and self._bound is not None:
            removeSocket(self.path, self._bound)
        self._unlock()
        tcp.Port.connectionLost(self, reason)

    def abandon(self) -> None:
        """
        Leave no path behind either, if it came as far as that.
        """
        created = self._created
        if created is not None and created.fileno() != -1 and created.getsockname():
            removeSocket(self.path, socketAt(self.path))
        super().abandon()
        self._unlock()

    def _unlock(self) -> None:
        """
        Remove the lock file, if it is still there and ours.
        """
        if self.lockFile is not None and self.lockFile.locked:
            with suppress(OSError, ValueError):
                self.lockFile.unlock()


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
