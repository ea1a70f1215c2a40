"""
Listening ports in memory, for tests of what a primary does with them.

Nothing is bound.  But every descriptor is a real one: a connection is one end
of a socket pair, and the test holds the other as its client.  So what is closed
too early, twice or never is seen as a client would see it.
"""

from __future__ import annotations

import errno
import os
import socket
from itertools import count

from zope.interface import implementer

from twisted_cluster.errors import ListenRefused
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
    IPortOpener,
)
from twisted_cluster.listening import ListenRequest

FIRST_CHOSEN_PORT = 49152
"""The number that port 0 becomes first."""


class MemoryClient:
    """
    The client of one connection.

    @ivar socket: Its end; the test may write to it and read from it.
    @ivar inode: What identifies the other end, wherever it goes.
    """

    def __init__(self) -> None:
        self.socket, self._served = socket.socketpair()
        self.socket.setblocking(False)
        self.inode = os.fstat(self._served.fileno()).st_ino

    def accept(self) -> AcceptedConnection:
        """
        What the primary's port makes of it; the caller owns the descriptor.
        """
        return AcceptedConnection(self._served.detach(), self.inode)

    def refuse(self) -> None:
        """
        Close the other end: the port was closed before anybody accepted.
        """
        self._served.close()

    @property
    def isServed(self) -> bool:
        """
        Whether anybody still has a descriptor of the connection's other end.
        """
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False

    def close(self) -> None:
        """
        Close the client's end, and the other one if it was never accepted.
        """
        self.socket.close()
        self.refuse()


@implementer(IOpenPort)
class MemoryPort:
    """
    An open port, whose clients are the test's to make.

    @ivar request: What it was opened for.
    @ivar isAccepting: Whether the primary accepts at present.
    @ivar isOpen: Whether it is open.
    @ivar isReplaced: Whether its number is another socket's by now.
    @ivar isLeftToOthers: Whether others are to go on with it when it is closed.
    @ivar backlog: The clients that nobody has accepted yet.
    @ivar clients: All clients that ever connected.
    """

    def __init__(
        self,
        request: ListenRequest,
        boundAddress: object,
        receiver: IConnectionReceiver | None,
    ) -> None:
        self.request = request
        self.boundAddress = boundAddress
        self.isAccepting = False
        self.isOpen = True
        self.isReplaced = False
        self.isLeftToOthers = False
        self.backlog: list[MemoryClient] = []
        self.clients: list[MemoryClient] = []
        self._receiver = receiver
        self.descriptor, self._otherEnd = os.pipe()

    def isAt(self, descriptor: int) -> bool:
        """
        Whether it was opened for this one, unless the test has put another socket
        there.
        """
        return descriptor == self.request.descriptor and not self.isReplaced

    def startAccepting(self) -> None:
        """
        Accept in the turns to come.
        """
        self.isAccepting = self._receiver is not None

    def stopAccepting(self) -> None:
        """
        Leave clients in the backlog.
        """
        self.isAccepting = False

    def isGivenUp(self, connection: AcceptedConnection) -> bool:
        """
        Whether its client has closed its end.
        """
        return any(
            client.socket.fileno() < 0 and client.inode == connection.inode
            for client in self.clients
        )

    def leaveToOthers(self) -> None:
        """
        Keep it in mind.
        """
        self.isLeftToOthers = True

    def close(self) -> None:
        """
        Close the descriptor; those in the backlog are refused.

        @raise OSError: if it is closed already.
        """
        os.close(self.descriptor)
        self.isOpen = self.isAccepting = False
        os.close(self._otherEnd)
        for client in self.backlog:
            client.refuse()
        self.backlog.clear()

    # -- what the test does

    def connect(self, clients: int = 1) -> list[MemoryClient]:
        """
        Have clients connect: into the backlog, until the next L{turn}.
        """
        arrived = [MemoryClient() for _ in range(clients)]
        self.backlog += arrived
        self.clients += arrived
        return arrived

    def turn(self) -> None:
        """
        One turn of the reactor: what waits in the backlog is accepted, if the
        port accepts.
        """
        if self.isAccepting and self.backlog:
            assert self._receiver is not None
            arrived, self.backlog = self.backlog, []
            self._receiver.connectionsAccepted([client.accept() for client in arrived])

    def accept(self, clients: int = 1) -> list[MemoryClient]:
        """
        Have clients connect, and a turn of the reactor pass.
        """
        arrived = self.connect(clients)
        self.turn()
        return arrived

    def closeClients(self) -> None:
        """
        Have every client go; for a test's clean-up.
        """
        for client in self.clients:
            client.close()


@implementer(IPortOpener)
class MemoryPortOpener:
    """
    Opens ports in memory, and refuses what the kernel would.

    @ivar ports: Those that were opened, in order, with those closed since.
    """

    def __init__(self) -> None:
        self.ports: list[MemoryPort] = []
        self._refusals: list[int] = []
        self._chosen = count(FIRST_CHOSEN_PORT)

    @property
    def openPorts(self) -> list[MemoryPort]:
        """
        The ports that are open.
        """
        return [port for port in self.ports if port.isOpen]

    def refuseNext(self, number: int) -> None:
        """
        Have the next request refused, with this error number.
        """
        self._refusals.append(number)

    def close(self) -> None:
        """
        Close what is left; for a test's clean-up.
        """
        for port in self.ports:
            if port.isOpen:
                port.close()
            port.closeClients()

    def openForHandoff(
        self, request: ListenRequest, receiver: IConnectionReceiver
    ) -> MemoryPort:
        """
        Open a port that accepts.
        """
        return self._open(request, receiver)

    def openToShare(self, request: ListenRequest) -> MemoryPort:
        """
        Open a port that never accepts.
        """
        return self._open(request, None)

    def _open(
        self, request: ListenRequest, receiver: IConnectionReceiver | None
    ) -> MemoryPort:
        """
        @raise ListenRefused: if the test wants it so, or the address is in use.
        """
        if self._refusals:
            raise ListenRefused(self._refusals.pop(0))
        address: object
        if request.kind.isPath:
            address = request.path
        else:
            address = (request.interface, request.port or next(self._chosen))
        for port in self.openPorts:
            if (port.request.kind, port.boundAddress) == (request.kind, address):
                raise ListenRefused(errno.EADDRINUSE)
        opened = MemoryPort(request, address, receiver)
        self.ports.append(opened)
        return opened
