"""
Sockets, ports and connections of an application, as they travel with messages.

L{detach} makes a L{Handle} of what an application gives away, and L{attach}
makes of a handle that arrived what a user of Twisted can use.

Who owns a descriptor: what waits to be sent is a duplicate, since whoever gives
something away may close it meanwhile, and its number is something else's then.  The
sender keeps its own until the message was delivered, and closes it then, without
C{shutdown(2)}, as that would end the connection in the other process too.  The
receiver's own belongs to the object that L{attach} returns, until that is used:
whoever does not want it calls C{close}.

A listening port and a datagram port are shared: both processes can accept or
receive, and each closes its own.  A connection and a plain socket are given away.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
from typing import Any, ClassVar, cast
from weakref import WeakSet

from attrs import define, field
from twisted.internet import tcp, udp, unix
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IDelayedCall,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._reactor.borrowedport import BorrowedTCPPort, BorrowedUNIXPort
from twisted_cluster._reactor.servedconnection import (
    ServedTCPConnection,
    ServedUNIXConnection,
)
from twisted_cluster._wire.lanes import Handle
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.interfaces import IHandles, ISending

UNREAD_LIMIT = 32768
"""How many bytes that were read already can travel with a connection."""

# The words for what a descriptor is, on the wire.
_SOCKET, _PORT, _CONNECTION, _DATAGRAM_PORT = (
    "socket",
    "port",
    "connection",
    "datagrams",
)

# -- the sender


_leaving: WeakSet[Any] = WeakSet()
"""
What is on its way to a process that is to have it alone.
"""


@implementer(ISending)
@define(eq=False)
class Departure:
    """
    Something that is on its way to another process.

    @ivar handle: What goes with the message; its descriptor is closed when that has
        arrived, or cannot.
    @ivar _given: What the other process is to have alone; C{None} if it is shared.
    """

    handle: Handle
    _given: Any = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self._given is not None:
            _leaving.add(self._given)

    def delivered(self) -> None:
        """
        The other process has it.  What is shared stays open here.
        """
        self._over()

    def failed(self) -> None:
        """
        The other process did not get it; it is used here as before.
        """
        self._over()

    def _over(self) -> None:
        """
        It is not on its way any more.
        """
        os.close(self.handle.descriptor)
        if self._given is not None:
            _leaving.discard(self._given)


@define(eq=False)
class _SocketDeparture(Departure):
    """
    A plain socket that is given away.
    """

    def delivered(self) -> None:
        """
        Close ours.
        """
        super().delivered()
        self._given.close()


@implementer(ISending)
class _Nothing:
    """
    What goes along when that is on its way already.
    """

    handle = None

    def delivered(self) -> None:
        """
        The message was.
        """

    def failed(self) -> None:
        """
        The message was not.
        """


@define(eq=False)
class _ConnectionDeparture(Departure):
    """
    A connection, which is not read here from now on.

    @ivar _wasReading: Whether it was being read.
    """

    _transport: tcp.Connection
    _wasReading: bool

    def delivered(self) -> None:
        """
        Close ours, if it did not end meanwhile.
        """
        super().delivered()
        if self._given is None or not self._transport.connected:
            # It stays open, so that both can write; or has ended meanwhile.
            return
        if _hasUnsent(self._transport):
            Logger().warn("bytes written to a connection after it was sent are lost")
        self._transport.connectionLost(
            Failure(ConnectionDone("it was sent to another process"))
        )

    def failed(self) -> None:
        """
        Read on.
        """
        super().failed()
        self._transport._shouldShutdown = True
        if self._wasReading and self._transport.connected:
            self._transport.startReading()


def detach(thing: object, *, keepOpen: bool = False, unread: bytes = b"") -> Departure:
    """
    Make a handle of a connected transport, a listening port, a datagram port, or a
    socket; or of what L{attach} made and nobody has used.

    A connection is not read any more from now on.

    @param keepOpen: Do not close ours, when a connection or a socket was delivered.
    @param unread: What was read from a connection already; the protocol on the
        other side gets it first.

    @raise ConfigurationError: if this cannot be sent: because it is no such
        thing, or is closed, or encrypted (what encrypts it is in this process), or
        has bytes that are not sent yet, or too many that were read.
    """
    if isinstance(thing, tcp.Connection):
        return _detachConnection(thing, keepOpen, unread)
    departure = _detachOther(thing, keepOpen)
    if unread:
        departure.failed()
        raise ConfigurationError("only what was read from a connection can be unread")
    return departure


def _detachOther(thing: object, keepOpen: bool) -> Departure:
    """
    Make a handle of what is no connection.
    """
    if isinstance(thing, socket.socket):
        return _detachSocket(thing, keepOpen)
    if isinstance(thing, _Received):
        return _detachReceived(thing, keepOpen)
    if isinstance(thing, tcp.Port):
        departure = Departure(_handle(_PORT, _socketOf(thing)))
        # Closing ours must not end the other process's listening, nor must the
        # primary's end.
        thing._shouldShutdown = False
        if isinstance(thing, BorrowedTCPPort | BorrowedUNIXPort):
            thing.sendOn()
        return departure
    # Nothing in Twisted can make a port of the other's socket.
    if isinstance(thing, udp.Port) and not isinstance(thing, unix.DatagramPort):
        return Departure(_handle(_DATAGRAM_PORT, _socketOf(thing)))
    raise ConfigurationError(
        f"a handle of type {type(thing).__name__} cannot be sent: it is no socket, and "
        "no port or unencrypted connection that has one"
    )


def _detachSocket(thing: socket.socket, keepOpen: bool) -> Departure:
    """
    Check a socket.
    """
    if isinstance(thing, ssl.SSLSocket):
        raise ConfigurationError("an encrypted connection cannot be sent")
    if thing.fileno() < 0:
        raise ConfigurationError("a closed socket cannot be sent")
    handle = _handle(_SOCKET, thing)
    return Departure(handle) if keepOpen else _SocketDeparture(handle, given=thing)


def _detachReceived(received: _Received, keepOpen: bool) -> Departure:
    """
    Pass on what another process sent.
    """
    if received.socket.fileno() < 0:
        raise ConfigurationError("what was used here, or closed, cannot be sent on")
    handle = _handle(received.kind, received.socket, received.unread)
    if keepOpen:
        return Departure(handle)
    return _SocketDeparture(handle, given=received)


def _detachConnection(
    transport: tcp.Connection, keepOpen: bool, unread: bytes
) -> Departure:
    """
    Check a connection, and stop reading it.
    """
    if getattr(transport, "TLS", False):
        raise ConfigurationError("an encrypted connection cannot be sent")
    if not transport.connected or transport.disconnecting:
        raise ConfigurationError("a connection that is closed cannot be sent")
    if _hasUnsent(transport):
        raise ConfigurationError(
            "a connection cannot be sent while it has bytes to send itself"
        )
    if transport.producer is not None:
        raise ConfigurationError(
            "a connection cannot be sent while a producer is registered with it"
        )
    if len(unread) > UNREAD_LIMIT:
        raise ConfigurationError(
            f"{len(unread)} bytes that were read cannot be sent with a connection, "
            f"only {UNREAD_LIMIT}"
        )
    if isinstance(transport, ServedTCPConnection | ServedUNIXConnection):
        # No other worker must be given it by the primary.
        transport.touch()
    handle = _handle(_CONNECTION, transport.socket, unread)
    # Whoever closes ours meanwhile must not end the other process's.
    transport._shouldShutdown = False
    wasReading = transport in cast(Any, transport.reactor).getReaders()
    transport.stopReading()
    given = None if keepOpen else transport
    return _ConnectionDeparture(handle, transport, wasReading, given=given)


def _hasUnsent(transport: tcp.Connection) -> bool:
    """
    Whether Twisted keeps bytes that the kernel did not take yet.
    """
    return bool(
        len(transport.dataBuffer) > transport.offset or transport._tempDataBuffer
    )


def _socketOf(port: Any) -> socket.socket:
    """
    The socket of a port.
    """
    if not port.connected:
        raise ConfigurationError("a port that is closed cannot be sent")
    found: socket.socket = port.socket
    return found


def _handle(kind: str, channel: socket.socket, unread: bytes = b"") -> Handle:
    """
    A handle for a duplicate of a socket of this process.
    """
    words = {"kind": kind}
    if unread:
        words["unread"] = base64.b64encode(unread).decode("ascii")
    return Handle(json.dumps(words), os.dup(channel.fileno()))


# -- the receiver


@define(eq=False)
class _Received:
    """
    What arrived and was not used yet.

    @cvar kind: The word for it on the wire.
    @ivar socket: What it is to the kernel.
    @ivar unread: What the other process had read of it already.
    """

    kind: ClassVar[str]

    _reactor: Any
    socket: socket.socket
    unread: bytes = field(default=b"", repr=False)

    def close(self) -> None:
        """
        Close it, unused.
        """
        self.socket.close()


@implementer(IStreamServerEndpoint)
class ReceivedPort(_Received):
    """
    A listening port that another process shares with this one.
    """

    kind = _PORT

    def listen(self, factory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Accept connections from it, once.
        """
        return execute(self._listen, factory)

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        """
        Adopt the socket.
        """
        port: Any
        if self.socket.family == socket.AF_UNIX:
            port = _SharedUNIXPort(self.socket, factory, self._reactor)
            port.startListening()
            return cast(IListeningPort, port)
        try:
            port = self._reactor.adoptStreamPort(
                self.socket.fileno(), self.socket.family, factory
            )
            return cast(IListeningPort, port)
        finally:
            # The reactor has its own duplicate.
            self.socket.close()


class ReceivedDatagramPort(_Received):
    """
    A datagram port that another process shares with this one.
    """

    kind = _DATAGRAM_PORT

    def listen(
        self, protocol: DatagramProtocol, maxPacketSize: int = 8192
    ) -> IListeningPort:
        """
        Receive from it, once.
        """
        try:
            port = self._reactor.adoptDatagramPort(
                self.socket.fileno(), self.socket.family, protocol, maxPacketSize
            )
            return cast(IListeningPort, port)
        finally:
            self.socket.close()


@define(eq=False)
class ReceivedConnection(_Received):
    """
    A connection that another process gave away.
    """

    kind = _CONNECTION

    def serve(self, protocolOrFactory: IProtocol | IProtocolFactory) -> None:
        """
        Let a protocol, or one that a factory builds, serve the connection.

        @raise ConnectionLost: if it is closed already.
        """
        built = _Building(protocolOrFactory)
        self.socket.setblocking(False)
        try:
            # The reactor asks too, but leaves its duplicate open if it fails.
            self.socket.getpeername()
            transport = self._reactor.adoptStreamConnection(
                self.socket.fileno(), self.socket.family, built
            )
        except OSError as e:
            raise ConnectionLost(
                f"the connection ended before it was served: {e}"
            ) from e
        finally:
            # The reactor has its own duplicate.
            self.socket.close()
        if built.protocol is not None and self.unread:
            _Unread(transport, self.unread).offer()


class _Unread:
    """
    What was read already from a connection.  Its protocol is given it when it reads;
    until then, and if it closes the connection instead, it is not called.
    """

    _log = Logger()

    def __init__(self, transport: Any, data: bytes) -> None:
        self._transport = transport
        self._data = data
        self._giving: IDelayedCall | None = None

    def offer(self) -> None:
        """
        Give it now, or when the protocol begins to read.
        """
        if self._transport in self._transport.reactor.getReaders():
            self._give()
        elif self._transport.connected and not self._transport.disconnecting:
            self._transport.startReading = self._started
            self._transport.stopReading = self._stopped

    def _started(self) -> None:
        """
        The protocol reads.  It is not called in the middle of what it does.
        """
        if self._giving is None:
            clock = self._transport.reactor
            self._giving = clock.callLater(0, self._giveAndRead)

    def _stopped(self) -> None:
        """
        It does not, after all.
        """
        if self._giving is not None:
            self._giving.cancel()
            self._giving = None

    def _giveAndRead(self) -> None:
        """
        From now on the transport is as any other.
        """
        del self._transport.startReading, self._transport.stopReading
        self._transport.startReading()
        self._give()

    def _give(self) -> None:
        """
        Do what the reactor does with what it reads.
        """
        try:
            self._transport.protocol.dataReceived(self._data)
        except Exception:
            self._log.failure("a protocol failed with what was read before")
            self._transport.abortConnection()


class _Building:
    """
    The factory that the reactor asks for the protocol of a received connection.

    @ivar protocol: What was built.
    """

    def __init__(self, protocolOrFactory: Any) -> None:
        self.protocol: Any = None
        self._protocolOrFactory = protocolOrFactory

    def buildProtocol(self, address: object) -> object:
        """
        Build, if it is not a protocol already, and remember.
        """
        self.protocol = self._protocolOrFactory
        if hasattr(self.protocol, "buildProtocol"):
            self.protocol = self.protocol.buildProtocol(address)
        return self.protocol


class _SharedUNIXPort(unix.Port):
    """
    A listening UNIX socket that another process made: its path is that one's to
    change and to remove.
    """

    _shouldShutdown = False

    def __init__(
        self, channel: socket.socket, factory: IProtocolFactory, reactor: Any
    ) -> None:
        super().__init__(channel.getsockname(), factory, reactor=reactor)
        self._received = channel

    def startListening(self) -> None:
        """
        Accept from the socket as it is.
        """
        self._received.setblocking(False)
        cast(Any, self.factory).doStart()
        self.socket = self._received
        self.fileno = self.socket.fileno  # type: ignore[method-assign]
        self.connected = True
        self.numberAccepts = 100
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        """
        Close our descriptor of it.
        """
        tcp.Port.connectionLost(self, reason)


_GIVEN = (socket.socket, tcp.Connection, _Received)


def attach(
    reactor: object, handle: Handle
) -> socket.socket | ReceivedPort | ReceivedDatagramPort | ReceivedConnection:
    """
    Make something useful of a handle that arrived; it owns the descriptor.

    @raise ValueError: if the handle does not make sense; the descriptor is closed.
    """
    try:
        words = json.loads(handle.description)
        kind, unread = words["kind"], base64.b64decode(words.get("unread", ""))
        if kind not in (_SOCKET, _PORT, _CONNECTION, _DATAGRAM_PORT):
            raise ValueError(f"nothing is called {kind!r}")
        received = socket.socket(fileno=handle.descriptor)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        OSError,
    ) as e:
        os.close(handle.descriptor)
        raise ValueError(f"a handle that makes no sense: {e!r}") from e
    if kind == _PORT:
        return ReceivedPort(reactor, received)
    if kind == _DATAGRAM_PORT:
        return ReceivedDatagramPort(reactor, received)
    if kind == _CONNECTION:
        return ReceivedConnection(reactor, received, unread)
    return received


@implementer(IHandles)
class Handles:
    """
    L{detach} and L{attach}, for one reactor.
    """

    _log = Logger()

    def __init__(self, reactor: object) -> None:
        """
        @param reactor: What arrives is served on it.
        """
        self._reactor = reactor

    def detach(self, thing: object, keepOpen: bool, unread: bytes) -> ISending:
        """
        Prepare something to be sent.  What is being given away already is not given
        to a second process: that message arrives, without it.
        """
        if isinstance(thing, _GIVEN) and thing in _leaving:
            self._log.warn(
                "{thing!r} is on its way to another process already, and goes with no "
                "second message",
                thing=thing,
            )
            return _Nothing()
        return detach(thing, keepOpen=keepOpen, unread=unread)

    def attach(self, handle: Handle) -> object:
        """
        Make something of what was received.
        """
        return attach(self._reactor, handle)
