"""
A datagram socket of the primary's that the workers read.
"""

from __future__ import annotations

import socket

from zope.interface import implementer

from twisted_cluster._reactor.unixpaths import removeSocket, socketAt
from twisted_cluster._wire.descriptors import isSame
from twisted_cluster.interfaces import AcceptedConnection, IOpenPort


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
        self._bound = socketAt(path)

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

    @property
    def isOpen(self) -> bool:
        """
        Whether it was not closed: nothing else ends it.
        """
        return self._socket.fileno() != -1

    def isAt(self, descriptor: int) -> bool:
        """
        Whether it is the same socket.
        """
        return isSame(self.descriptor, descriptor)

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

    def leaveToOthers(self) -> None:
        """
        Closing it never ends theirs.
        """

    def close(self) -> None:
        """
        Close the socket; the workers' duplicates of it go on.
        """
        self._socket.close()
        removeSocket(self.path, self._bound)
