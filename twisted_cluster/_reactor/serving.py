"""
What a worker serves: its borrowed ports, their connections, and whether it is
doing something for a client right now.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from twisted_cluster._reactor.idleness import Idleness
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.events import ListeningAddress
from twisted_cluster.interfaces import IServing
from twisted_cluster.observing import Occasion

# What is asked for in a coroutine holds in that coroutine: while it waits, others go
# on, for whom it does not hold.
_owning = ContextVar("_owning", default=False)
_onIPv6Only = ContextVar("_onIPv6Only", default=False)


@contextmanager
def _switchedOn(variable: ContextVar[bool]) -> Iterator[None]:
    """
    A C{with} block in which a variable is true.
    """
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


@implementer(IServing)
class Serving:
    """
    The ports and connections of a layered reactor, and what it is doing for them.

    @ivar inConversation: Whether something that a client sent is being handled.
        A port that is opened meanwhile is for that client: the data connection
        of a passive FTP transfer, a forwarding that an SSH client asked for,
        the transfer of a TFTP file.  It must be this worker's own.  Were it
        shared, the next worker could get the client's connection, and another
        client this one's data.
    @ivar ports: The borrowed ports that are open.
    @ivar connections: Their connections that are open.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: The layered reactor; C{IReactorFDSet}.
        """
        self.inConversation = False
        self.ports: set[Any] = set()
        self.connections: set[Any] = set()
        self._reactor = reactor
        self._listening: Occasion[ListeningAddress] = Occasion()
        self._served: Occasion[None] | None = None
        self._idleness: Idleness | None = None

    @property
    def isListening(self) -> bool:
        """
        Whether a borrowed port is open.
        """
        return bool(self.ports)

    def whenListening(self) -> Deferred[ListeningAddress]:
        """
        @return: Fires when the first borrowed port is open.
        """
        return self._listening.when()

    def portOpened(self, port: object, address: ListeningAddress) -> None:
        """
        A borrowed port is open.
        """
        self.ports.add(port)
        self._listening.happened(address)

    def closePorts(self) -> Deferred[None]:
        """
        Close every borrowed port.
        """
        closing = [maybeDeferred(port.stopListening) for port in list(self.ports)]
        closed: Deferred[Any] = DeferredList(closing, consumeErrors=True)
        return closed.addCallback(lambda _: None)

    def abandonPorts(self) -> None:
        """
        Have the kernel stop listening on the ports of a primary that is gone, so
        that its successor can have the addresses.  This worker's duplicates would
        keep them, until it has time to close its ports.

        Called in a thread: the reactor may be waiting for something else.
        """
        for port in list(self.ports):
            # What somebody gave to the primary is going to be given again.
            if port.primaryDescriptor is None:
                with suppress(OSError, AttributeError):
                    port.socket.shutdown(socket.SHUT_RDWR)

    def whenServed(self) -> Deferred[None]:
        """
        @return: Fires when no connection of a borrowed port is open.
        """
        if self._served is None:
            self._served = Occasion()
            self._checkServed()
        return self._served.when()

    def whenIdle(self) -> Deferred[None]:
        """
        @return: As L{Idleness.when}.
        """
        if self._idleness is None:
            self._idleness = Idleness(self._reactor)
        return self._idleness.when()

    @property
    def opensOwn(self) -> bool:
        """
        Whether a port that is opened now is this worker's own.
        """
        return self.inConversation or _owning.get()

    @property
    def ipv6Only(self) -> bool:
        """
        Whether a port that is opened now leaves IPv4 alone.
        """
        return _onIPv6Only.get()

    def owning(self) -> AbstractContextManager[None]:
        """
        @return: A context manager: ports that are opened meanwhile are this
            worker's own.
        """
        return _switchedOn(_owning)

    def onIPv6Only(self) -> AbstractContextManager[None]:
        """
        @return: A context manager: ports that are opened meanwhile leave IPv4
            alone.
        """
        return _switchedOn(_onIPv6Only)

    def adoptStreamPort(
        self, descriptor: int, addressFamily: int, factory: Any
    ) -> IListeningPort:
        """
        Listen on a socket that the primary was given.
        """
        port: IListeningPort = self._reactor.listenOnDescriptor(
            descriptor, addressFamily, factory
        )
        return port

    def adoptDatagramPort(
        self, descriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int
    ) -> IListeningPort:
        """
        Receive on a UDP socket that the primary was given.
        """
        port: IListeningPort = self._reactor.receiveOnDescriptor(
            descriptor, addressFamily, protocol, maxPacketSize
        )
        return port

    def limitConnections(
        self,
        port: Any,
        limit: int | None,
        dropped: Callable[[IAddress, IAddress], object] | None,
    ) -> None:
        """
        Serve no more than so many connections of a port at a time.

        @raise ConfigurationError: if the port is none of these, or has no
            connections.
        """
        if not hasattr(port, "limitConnections") or port not in self.ports:
            raise ConfigurationError(
                f"{port!r} is no open port of the cluster's that has connections"
            )
        if limit is not None and (type(limit) is not int or limit < 0):
            raise ConfigurationError(
                f"the limit has to be a whole number, 0 or more, or None, not {limit!r}"
            )
        port.limitConnections(limit, dropped)

    def connectionMade(self, connection: object) -> None:
        """
        A client is being served.
        """
        self.connections.add(connection)

    def connectionLost(self, connection: object) -> None:
        """
        A client has been served.
        """
        self.connections.discard(connection)
        self._checkServed()

    def _checkServed(self) -> None:
        """
        Tell if the last client is gone.
        """
        if self._served is not None and not self.connections:
            self._served.happened(None)


class Conversation:
    """
    A C{with} block around what is done for a client.
    """

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def __enter__(self) -> None:
        self._outer = self._serving.inConversation
        self._serving.inConversation = True

    def __exit__(self, *exception: object) -> None:
        self._serving.inConversation = self._outer
