"""
The layered reactor: whatever reactor class the application chose, with its
listening methods answered by the primary.

A reactor cannot be wrapped by another object: transports hold it, code asks it
for interfaces, and C{twisted.internet.reactor} is it.  So its class is extended,
in place, when it is installed.  All of Twisted's POSIX reactors inherit their
listening methods from C{PosixReactorBase}, so one mix-in serves them all.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import cache
from types import FrameType
from typing import Any, cast

from twisted.internet import main
from twisted.internet.error import ReactorNotRunning, UnsupportedAddressFamily
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import Logger

from twisted_cluster._reactor.borrowedport import (
    BorrowedMulticastPort,
    BorrowedTCPPort,
    BorrowedUDPPort,
    BorrowedUNIXDatagramPort,
    BorrowedUNIXPort,
)
from twisted_cluster._reactor.serving import Serving
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.interfaces import IPrimaryPorts


class BorrowingReactorMixin:
    """
    Over a C{PosixReactorBase}: ports come from the primary.

    Connecting, adopting descriptors and spawning processes stay as they are.
    So do a port that asks for its own C{SO_REUSEPORT} socket, and one that is
    opened while a client is being served; see
    L{Serving.inConversation}.

    @ivar primaryPorts: Where ports come from.
    @ivar takingPorts: The ports for which the primary accepts at present: read,
        as far as an application can see, though no selector knows them.
    @ivar serving: What is open.
    @ivar inherited: By number, the inode of each socket that this process and the
        primary were given under the same number.
    """

    primaryPorts: IPrimaryPorts
    takingPorts: set[Any]
    serving: Serving
    _internalReaders: set[Any]
    addWriter: Callable[[Any], None]
    inherited: Mapping[int, int]
    callFromThread: Callable[..., None]
    stop: Callable[[], None]

    _log = Logger()

    def borrowFrom(
        self, primaryPorts: IPrimaryPorts, inherited: Mapping[int, int]
    ) -> None:
        """
        Begin to borrow; in the place of an C{__init__}, because the class of
        the reactor is changed after it was made.
        """
        self.primaryPorts = primaryPorts
        self.inherited = inherited
        self.takingPorts = set()
        self.serving = Serving(self)

    def sigTerm(self, number: int, frame: FrameType | None = None) -> None:
        """
        Stop.  Twisted's own would log a traceback if the reactor stops already: a
        primary that ends right after its workers were asked to leave sends this.
        """
        self._log.info(
            "Received {name}, shutting down.", name=signal.Signals(number).name
        )
        self.callFromThread(self._stopIfRunning)
        self._exitSignal = number

    # A terminal sends this to the workers, too.
    sigInt = sigTerm

    def _stopIfRunning(self) -> None:
        """
        Stop, unless that has begun.
        """
        with suppress(ReactorNotRunning):
            self.stop()

    def getReaders(self) -> list[Any]:
        """
        @see: L{twisted.internet.interfaces.IReactorFDSet.getReaders}
        """
        readers: list[Any] = super().getReaders()  # type: ignore[misc]
        return readers + list(self.takingPorts)

    def removeAll(self) -> list[Any]:
        """
        What is removed is closed when the reactor stops, and a test runner complains
        of it: the ports too, but not what the reactor needs for itself.

        @see: L{twisted.internet.interfaces.IReactorFDSet.removeAll}
        """
        removed: list[Any] = super().removeAll()  # type: ignore[misc]
        self._keepInternal(removed)
        # Not in disconnectAll, where one would look for it: the reactor knew its own
        # before its class was changed, and calls that.
        for connection in self.serving.connections:
            connection.forgotten()
        ports = list(self.takingPorts)
        for port in ports:
            port.stopReading()
        return removed + ports

    def _keepInternal(self, removed: list[Any]) -> None:
        """
        Take out what is the package's own and has something to write: readers of
        that kind are passed over, but writers would be closed with the application's.
        """
        for transport in self._internalReaders.intersection(removed):
            removed.remove(transport)
            self.addWriter(transport)

    def _startBorrowed(self, port: Any) -> Any:
        """
        Begin to listen.
        """
        port._primaryPorts = self.primaryPorts
        with ExitStack() as unlessListening:
            unlessListening.callback(port.abandon)
            port.startListening()
            unlessListening.pop_all()
        return port

    def listenTCP(
        self, port: Any, factory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """
        @see: L{twisted.internet.interfaces.IReactorTCP.listenTCP}
        """
        borrowed = BorrowedTCPPort(port, factory, backlog, interface, self)
        if self.serving.opensOwn or getattr(borrowed, "_reusePort", False):
            return super().listenTCP(  # type: ignore[misc]
                port, factory, backlog, interface
            )
        return self._startBorrowed(borrowed)

    def listenUNIX(
        self,
        address: Any,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: int = 0,
    ) -> Any:
        """
        @see: L{twisted.internet.interfaces.IReactorUNIX.listenUNIX}
        """
        if self.serving.opensOwn:
            return super().listenUNIX(  # type: ignore[misc]
                address, factory, backlog, mode, wantPID
            )
        return self._startBorrowed(
            BorrowedUNIXPort(address, factory, backlog, mode, self, wantPID)
        )

    def listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> Any:
        """
        @see: L{twisted.internet.interfaces.IReactorUDP.listenUDP}
        """
        if self.serving.opensOwn:
            return super().listenUDP(  # type: ignore[misc]
                port, protocol, interface, maxPacketSize
            )
        return self._startBorrowed(
            BorrowedUDPPort(port, protocol, interface, maxPacketSize, self)
        )

    def listenMulticast(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> Any:
        """
        With C{listenMultiple} every process has a socket of its own, and each
        of them receives every datagram: that is left as it is.

        @see: L{twisted.internet.interfaces.IReactorMulticast.listenMulticast}
        """
        if self.serving.opensOwn or listenMultiple:
            return super().listenMulticast(  # type: ignore[misc]
                port, protocol, interface, maxPacketSize, listenMultiple
            )
        return self._startBorrowed(
            BorrowedMulticastPort(
                port, protocol, interface, maxPacketSize, cast(Any, self)
            )
        )

    def listenUNIXDatagram(
        self, address: Any, protocol: Any, maxPacketSize: int = 8192, mode: int = 0o666
    ) -> Any:
        """
        A port without a name is this process's own.

        @see: L{twisted.internet.interfaces.IReactorUNIXDatagram.listenUNIXDatagram}
        """
        if self.serving.opensOwn or not address:
            return super().listenUNIXDatagram(  # type: ignore[misc]
                address, protocol, maxPacketSize, mode
            )
        return self._startBorrowed(
            BorrowedUNIXDatagramPort(address, protocol, maxPacketSize, mode, self)
        )

    # -- sockets that somebody else has bound

    def adoptStreamPort(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> Any:
        """
        A socket that the primary was given too is the primary's to accept on.

        @see: L{twisted.internet.interfaces.IReactorSocket.adoptStreamPort}
        """
        if self._isInherited(fileDescriptor):
            return self.listenOnDescriptor(fileDescriptor, addressFamily, factory)
        return super().adoptStreamPort(  # type: ignore[misc]
            fileDescriptor, addressFamily, factory
        )

    def listenOnDescriptor(
        self, descriptor: int, addressFamily: int, factory: Any
    ) -> Any:
        """
        Listen on a socket that the primary was given.

        @param descriptor: Its number in the primary.

        @raise CannotListenError: if the primary has no such socket.
        """
        _requireDescriptor(descriptor)
        if addressFamily not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
            raise UnsupportedAddressFamily(addressFamily)
        port: Any
        if addressFamily == socket.AF_UNIX:
            port = BorrowedUNIXPort(b"", factory, reactor=self)
        else:
            port = BorrowedTCPPort(
                0, factory, interface=_anyOf(addressFamily), reactor=self
            )
        port.primaryDescriptor = descriptor
        return self._startBorrowed(port)

    def receiveOnDescriptor(
        self,
        descriptor: int,
        addressFamily: int,
        protocol: Any,
        maxPacketSize: int = 8192,
    ) -> Any:
        """
        Receive on a UDP socket that the primary was given.

        @param descriptor: Its number in the primary.

        @raise CannotListenError: if the primary has no such socket.
        """
        _requireDescriptor(descriptor)
        port = BorrowedUDPPort(
            0, protocol, _anyOf(addressFamily), maxPacketSize, cast(Any, self)
        )
        port.primaryDescriptor = descriptor
        return self._startBorrowed(port)

    def _isInherited(self, descriptor: int) -> bool:
        """
        Whether this is a socket that the primary was given.  Its number may be
        another one's by now.
        """
        inode = self.inherited.get(descriptor)
        return inode is not None and os.fstat(descriptor).st_ino == inode


def _requireDescriptor(descriptor: object) -> None:
    """
    @raise ConfigurationError: if it is no number that a descriptor can have.
    """
    if type(descriptor) is not int or not 0 <= descriptor < 1 << 31:
        raise ConfigurationError(
            f"the number of a descriptor of the primary's is needed, not {descriptor!r}"
        )


def _anyOf(addressFamily: int) -> str:
    """
    The interface that stands for all of a family.
    """
    return "::" if addressFamily == socket.AF_INET6 else ""


@cache
def layered(reactorClass: Any) -> Any:
    """
    A reactor class with its ports borrowed from the primary.

    @raise ConfigurationError: if it is no POSIX reactor of Twisted's.
    """
    if not issubclass(reactorClass, PosixReactorBase):
        raise ConfigurationError(
            f"{reactorClass.__module__}.{reactorClass.__qualname__} is no reactor that "
            "can borrow ports from a primary: it must inherit from PosixReactorBase, "
            "as Twisted's epoll, poll, select, kqueue and asyncio reactors do"
        )
    return type(
        "Clustered" + reactorClass.__name__,
        (BorrowingReactorMixin, reactorClass),
        {"__module__": __name__},
    )


def layerWhenInstalled(
    primaryPorts: IPrimaryPorts,
    installed: Callable[[Any], None],
    inherited: Mapping[int, int] | None = None,
) -> None:
    """
    Layer the global reactor, whichever it is going to be, as it is installed.

    Every reactor module's C{install} looks C{installReactor} up in
    C{twisted.internet.main} when it is called, so that is the place to wait.  A
    program that chooses its own reactor keeps its choice.

    @param primaryPorts: Where the reactor's ports come from.
    @param installed: Called with the reactor, layered and installed.
    @param inherited: As L{BorrowingReactorMixin.inherited}.
    """
    install = main.installReactor

    def layer(reactor: Any) -> None:
        reactor.__class__ = layered(type(reactor))  # type: ignore[arg-type]
        reactor.borrowFrom(primaryPorts, inherited or {})
        installed(reactor)

    def installReactor(reactor: Any) -> None:
        """
        Twisted's own C{installReactor}, for a layered reactor.
        """
        install(reactor)
        layer(reactor)

    main.installReactor = installReactor
    if "twisted.internet.reactor" in sys.modules:
        # Something that runs at interpreter start has installed one already.
        layer(sys.modules["twisted.internet.reactor"])
