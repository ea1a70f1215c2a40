"""
A worker's ports: Twisted's own in every respect that an application can see,
but bound by the primary, which also accepts for those that take turns.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet import tcp, udp, unix
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.main import CONNECTION_DONE
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._reactor.servedconnection import (
    ServedTCPConnection,
    ServedUNIXConnection,
)
from twisted_cluster._reactor.serving import Conversation
from twisted_cluster._wire.descriptors import inodeOf
from twisted_cluster.errors import ListenRefused
from twisted_cluster.events import ListeningAddress
from twisted_cluster.interfaces import IBorrowedPort, IPrimaryPorts
from twisted_cluster.listening import ListenRequest, Loan, PortKind
from twisted_cluster.observing import Occasion

_CLOSED = Failure(CONNECTION_DONE)


class _BorrowingMixin:
    """
    What is the same for every kind of port: it is borrowed when it starts to
    listen, and given back when it is closed.

    @ivar _loan: The primary's port; C{None} while this one is closed.
    @ivar _closing: Its end, while that is awaited.
    @ivar _primaryPorts: Where it is from.
    @ivar _borrowed: This process's duplicate of the primary's socket.
    @ivar primaryDescriptor: The number that its socket has in the primary, if the
        primary was given it; C{None} if the primary shall open one.
    """

    _loan: Loan | None = None
    _closing: Occasion[None] | None = None
    primaryDescriptor: int | None = None
    _primaryPorts: IPrimaryPorts
    _borrowed: socket.socket

    # What the ports of Twisted's have that this is mixed into.
    addressFamily: Any
    connected: Any
    socketType: Any
    interface: Any
    port: Any
    reactor: Any

    def stopListening(self) -> Deferred[None] | None:
        """
        Close the port.

        A worker that leaves closes what its application may be closing itself;
        Twisted's ports would be closed twice.
        """
        if self._closing is None:
            closed = super().stopListening()  # type: ignore[misc]
            if closed is None:
                # It was not open.
                return None
            self._closing = Occasion()
            closed.addCallbacks(self._closed, self._notClosed)
        return self._closing.when()

    def _closed(self, result: object) -> None:
        """
        The port is closed; it can be opened again.
        """
        closing, self._closing = self._closing, None
        if closing is not None:
            closing.happened(None)

    def _notClosed(self, failure: Failure) -> None:
        """
        Something failed when the port was closed.
        """
        closing, self._closing = self._closing, None
        if closing is not None:
            closing.willNeverHappen(cast(Exception, failure.value))

    def _request(self) -> ListenRequest:
        """
        What to ask the primary for.
        """
        raise NotImplementedError

    def _cannotListen(self, error: Exception) -> CannotListenError:
        """
        The exception that the application expects.
        """
        return CannotListenError(self.interface, self.port, error)

    def _borrow(self) -> socket.socket:
        """
        Get the port from the primary.

        @return: This process's duplicate of the primary's socket.

        @raise CannotListenError: if the primary cannot open it.
        """
        try:
            request = self._request()
            if self.primaryDescriptor is not None:
                request = ListenRequest(
                    kind=request.kind, descriptor=self.primaryDescriptor
                )
            self._loan = self._primaryPorts.borrow(request)
        except ListenRefused as e:
            raise self._cannotListen(OSError(e.errno, self._reason(e.reason))) from e
        except OSError as e:
            # The interface is a name that has no address.
            raise self._cannotListen(e) from e
        except TypeError as e:
            # What the record says of its field; the rest is the field itself.
            raise TypeError(e.args[0]) from None
        self._borrowed = borrowed = socket.socket(fileno=self._loan.descriptor)
        if borrowed.family != self.addressFamily:
            self.abandon()
            reason = self._reason(f"is a socket of the family {borrowed.family.name}")
            raise self._cannotListen(OSError(errno.EINVAL, reason))
        borrowed.setblocking(False)
        self.reactor.serving.portOpened(
            self, ListeningAddress.of(request, borrowed.getsockname())
        )
        return borrowed

    def _reason(self, reason: str) -> str:
        """
        Why the primary cannot lend a port, and which, if it has no address.
        """
        if self.primaryDescriptor is None:
            return reason
        return f"descriptor {self.primaryDescriptor} of the primary: {reason}"

    def abandon(self) -> None:
        """
        Leave nothing behind of a port that could not be opened: the application's
        part in it failed, when it was borrowed already.
        """
        if self._loan is not None:
            self._giveBack()
            self.connected = False
            self._borrowed.close()

    def sendOn(self) -> None:
        """
        The port is sent to another process: it goes on there when it is closed here.
        """
        if self._loan is not None:
            self._primaryPorts.sendOn(self._loan)

    def _giveBack(self) -> None:
        """
        The port is closed; tell the primary, once.
        """
        if self._loan is not None:
            loan, self._loan = self._loan, None
            self.reactor.serving.ports.discard(self)
            self._primaryPorts.giveBack(loan)


@implementer(IBorrowedPort)
class _BorrowedStreamMixin(_BorrowingMixin):
    """
    What is the same for TCP and UNIX ports.

    @ivar _welcoming: Whether connections are welcome, if there is room.
    @ivar _taking: Whether they are taken at present.
    @ivar _limit: How many there is room for; C{None} for any number.
    @ivar _dropped: Told of each connection that is closed because there is no room
        for it; C{None} if the other workers are to have what comes then.
    @ivar _served: How many are being served.
    """

    _welcoming = False
    _taking = False
    _limit: int | None = None
    _dropped: Callable[[IAddress, IAddress], object] | None = None
    _served = 0

    factory: Any
    numberAccepts: int
    transport: Any
    sessionno: int
    socket: Any
    _logger: Any

    def loseConnection(self, connDone: Failure = _CLOSED) -> Deferred[None] | None:
        """
        Close the port; what it was called before there was C{stopListening}.
        """
        return self.stopListening()

    def startReading(self) -> None:
        """
        Accept from now on, or have the primary do it.
        """
        self._welcoming = True
        self._follow()

    def stopReading(self) -> None:
        """
        Accept nothing for now; the other workers go on.
        """
        self._welcoming = False
        self._follow()

    def limitConnections(
        self, limit: int | None, dropped: Callable[[IAddress, IAddress], object] | None
    ) -> None:
        """
        Serve no more than so many connections at a time; C{None} is any number.
        """
        self._limit = limit
        self._dropped = dropped
        self._follow()

    def connectionMade(self) -> None:
        """
        One more connection is being served.
        """
        self._served += 1
        if self._limit is not None:
            self._follow()

    def connectionServed(self) -> None:
        """
        A connection is over.
        """
        self._served -= 1
        if self._limit is not None:
            self._follow()

    @property
    def _isFull(self) -> bool:
        """
        Whether there is no room for one more connection.
        """
        return self._limit is not None and self._served >= self._limit

    def _follow(self) -> None:
        """
        Take connections, or do not.
        """
        if self._welcoming and (self._dropped is not None or not self._isFull):
            self._startTaking()
        else:
            self._stopTaking()

    def _startTaking(self) -> None:
        """
        Take connections from now on, if not yet.
        """
        if self._loan is None or self._loan.acceptsItself:
            super().startReading()  # type: ignore[misc]
        elif not self._taking:
            self._taking = True
            self.reactor.takingPorts.add(self)
            self._primaryPorts.startTaking(self._loan, self)

    def _stopTaking(self) -> None:
        """
        Take none from now on, if not yet.
        """
        if self._loan is None or self._loan.acceptsItself:
            super().stopReading()  # type: ignore[misc]
        elif self._taking:
            self._taking = False
            self.reactor.takingPorts.discard(self)
            self._primaryPorts.stopTaking(self._loan)

    def doRead(self) -> None:
        """
        Accept, where the workers do that themselves.
        """
        if self._isFull:
            self._dropWaiting()
            return
        if self._limit is not None:
            # Twisted does not look again before it has accepted so many.
            self.numberAccepts = min(self.numberAccepts, self._limit - self._served)
        with Conversation(self.reactor.serving):
            super().doRead()  # type: ignore[misc]

    def _dropWaiting(self) -> None:
        """
        Accept what waits, and close it.
        """
        for connection, peer in tcp._accept(
            self._logger, range(self.numberAccepts), self.socket, tcp._reservedFD
        ):
            with connection:
                self._tellDropped(connection, peer)

    def _tellDropped(self, connection: socket.socket, peer: Any) -> None:
        """
        A connection is about to be closed, since there is no room for it.
        """
        if self._dropped is not None:
            build = self._buildAddr  # type: ignore[attr-defined]
            self._dropped(build(connection.getsockname()), build(peer))

    def takeConnections(
        self, descriptors: Sequence[int], insured: bool
    ) -> Sequence[int]:
        """
        Serve connections that the primary accepted.
        """
        refused = []
        for position, descriptor in enumerate(descriptors):
            # Asked again each time: a protocol may have paused the port.
            if self._taking:
                self._serve(descriptor, insured)
            else:
                refused.append(position)
        return refused

    def _serve(self, descriptor: int, insured: bool) -> None:
        """
        Do with a connection what C{tcp.Port.doRead} does after it accepted one.
        """
        inode = inodeOf(descriptor) if insured else None
        transport = None
        connection = socket.socket(
            self.addressFamily, self.socketType, fileno=descriptor
        )
        try:
            peer = self._peerOf(connection)
        except OSError:
            # The client reset it before anybody looked.  What it sent before
            # can be read all the same.
            peer = self._unknownPeer()
        try:
            if self._isFull:
                # Or it would not have been asked for.
                self._tellDropped(connection, peer)
                return
            protocol = self.factory.buildProtocol(
                self._buildAddr(peer)  # type: ignore[attr-defined]
            )
            if protocol is None:
                return
            number = self.sessionno
            self.sessionno = number + 1
            transport = self.transport(
                connection, protocol, peer, self, number, self.reactor
            )
            if insured:
                transport.insure(self._primaryPorts)
            with Conversation(self.reactor.serving):
                protocol.makeConnection(transport)
        except BaseException:
            log.deferr()
        finally:
            if transport is None:
                connection.close()
                if inode is not None:
                    # There is nobody who would ever say so, and the primary would
                    # keep it open.
                    self._primaryPorts.touch(inode)

    def _peerOf(self, connection: socket.socket) -> Any:
        """
        The client's address, as C{accept} would have given it.

        @raise OSError: if the kernel does not know it any more.
        """
        return connection.getpeername()

    def _unknownPeer(self) -> Any:
        """
        What stands for the address of a client that has gone.
        """
        return b""

    def connectionLost(self, reason: Failure = _CLOSED) -> None:
        """
        Close the port: here first, so that the address is free for the next
        one as soon as this returns.
        """
        self.stopReading()
        self._giveBack()
        self._closeBorrowed(reason)

    def _closeBorrowed(self, reason: Failure) -> None:
        """
        Close this process's part.
        """
        tcp.Port.connectionLost(cast(tcp.Port, self), reason)


class BorrowedTCPPort(_BorrowedStreamMixin, tcp.Port):  # type: ignore[misc]
    """
    A TCP port in a worker.
    """

    transport = ServedTCPConnection  # type: ignore[assignment]

    def _request(self) -> ListenRequest:
        """
        @raise OSError: if the interface is a name that has no address.
        """
        if not 0 <= self.port <= 65535:
            # What bind(2)'s wrapper says to a process without a primary.
            raise OverflowError("bind(): port must be 0-65535.")
        interface = self.interface
        if interface and self.addressFamily == socket.AF_INET:
            interface = _lookedUp(interface)
        return ListenRequest(
            kind=PortKind.TCP,
            interface=interface,
            port=self.port,
            backlog=self.backlog,
            reuseAddress=getattr(self, "_reuseAddress", True),
            ipv6Only=self.reactor.serving.ipv6Only,
        )

    def startListening(self) -> None:
        """
        Listen, on the primary's socket.
        """
        self._preexistingSocket = self._borrow()
        super().startListening()

    def _peerOf(self, connection: socket.socket) -> Any:
        """
        The client's address, with the scope of a link-local one spelt out.
        """
        peer = connection.getpeername()
        return tcp._getpeername(connection) if len(peer) == 4 and peer[3] else peer

    def _unknownPeer(self) -> Any:
        """
        The address that no client has.
        """
        if self.addressFamily == socket.AF_INET6:
            return ("::", 0, 0, 0)
        return ("0.0.0.0", 0)


class BorrowedUNIXConnection(ServedUNIXConnection):
    """
    A connection of a borrowed UNIX port.
    """

    def getHost(self) -> UNIXAddress:
        """
        The port's address, as the application knows it.
        """
        host: UNIXAddress = self.server.getHost()
        return host


class BorrowedUNIXPort(_BorrowedStreamMixin, unix.Port):  # type: ignore[misc]
    """
    A UNIX port in a worker.  Its path, and the lock beside it, are the
    primary's to make and to remove.
    """

    transport = BorrowedUNIXConnection

    _shouldShutdown = False

    def _request(self) -> ListenRequest:
        """
        The path is made absolute: the primary's directory may be another.
        """
        return ListenRequest(
            kind=PortKind.UNIX,
            path=_absolute(self._bindPath),
            backlog=self.backlog,
            mode=self.mode,
            wantPID=bool(self.wantPID),
        )

    def _cannotListen(self, error: Exception) -> CannotListenError:
        """
        A path has no interface.
        """
        return CannotListenError(None, self._bindPath, error)

    def startListening(self) -> None:
        """
        Listen, on the primary's socket.

        As in C{unix.Port}, but without what would hurt the other workers:
        changing the mode of the path, and the backlog, once more.
        """
        log.msg(
            f"{self._getLogPrefix(self.factory)} starting on "
            f"{os.fsdecode(self._bindPath)!r}"
        )
        self.factory.doStart()
        self.socket = self._borrow()
        if self.primaryDescriptor is not None:
            self._bindPath = os.fsencode(self.socket.getsockname())
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.connected = True
        self.numberAccepts = 100
        self.startReading()

    def getHost(self) -> UNIXAddress:
        """
        The path as the application gave it; the socket has the one that the
        primary was asked for.
        """
        return UNIXAddress(self._bindPath)


class _BorrowedDatagramMixin(_BorrowingMixin):
    """
    What is the same for UDP and UNIX datagram ports: every worker reads from
    the same socket, and the kernel chooses.
    """

    def doRead(self) -> None:
        """
        Each datagram is a client's.
        """
        with Conversation(self.reactor.serving):
            super().doRead()  # type: ignore[misc]

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Close the port.
        """
        self._giveBack()
        super().connectionLost(reason)  # type: ignore[misc]


class BorrowedUDPPort(_BorrowedDatagramMixin, udp.Port):
    """
    A UDP port in a worker.
    """

    def _request(self) -> ListenRequest:
        """
        The interface is an address already; C{udp.Port} takes no names.
        """
        if not 0 <= self.port <= 65535:
            raise OverflowError("bind(): port must be 0-65535.")
        return ListenRequest(
            kind=PortKind.UDP,
            interface=self.interface,
            port=self.port,
            ipv6Only=cast(Any, self.reactor).serving.ipv6Only,
        )

    def _bindSocket(self) -> None:
        """
        Use the primary's socket.
        """
        self._preexistingSocket = self._borrow()  # type: ignore[assignment]
        super()._bindSocket()


class BorrowedMulticastPort(BorrowedUDPPort, udp.MulticastPort):
    """
    A UDP port in a worker, with C{IMulticastTransport}.
    """


class BorrowedUNIXDatagramPort(_BorrowedDatagramMixin, unix.DatagramPort):
    """
    A UNIX datagram port in a worker.
    """

    def _request(self) -> ListenRequest:
        """
        The path is made absolute: the primary's directory may be another.
        """
        return ListenRequest(
            kind=PortKind.UNIX_DATAGRAM,
            path=_absolute(os.fsencode(self.port)),
            mode=self.mode,
        )

    def _cannotListen(self, error: Exception) -> CannotListenError:
        """
        A path has no interface.
        """
        return CannotListenError(None, self.port, error)

    def _bindSocket(self) -> None:
        """
        Use the primary's socket.
        """
        log.msg(f"{self.protocol.__class__} starting on {self.port!r}")
        self.socket = self._borrow()
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.connected = 1

    def getHost(self) -> UNIXAddress:
        """
        The path as the application gave it.
        """
        return UNIXAddress(self.port)


def _lookedUp(interface: str) -> str:
    """
    An IPv4 address, perhaps given by its name.  Names are looked up here: the
    primary must not wait for DNS.

    @raise OSError: if it is a name that has no address.
    """
    try:
        socket.inet_pton(socket.AF_INET, interface)
    except OSError:
        return socket.gethostbyname(interface)
    # Not even Python's part of a look-up: it imports a codec, which a process
    # that has become another user may be unable to read.
    return interface


def _absolute(path: bytes) -> bytes:
    """
    A path as another process understands it; abstract names stay as they are.
    """
    return path if path[:1] == b"\0" else os.path.abspath(path)
