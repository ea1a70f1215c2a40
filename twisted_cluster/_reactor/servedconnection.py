"""
The connections of a worker's borrowed ports: Twisted's own, except that they are
counted, and that of an insured one the primary hears before it is touched.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import tcp, unix
from twisted.python.failure import Failure

from twisted_cluster.interfaces import IPrimaryPorts


class _Insured:
    """
    Stands before a transport's reading and writing until the first of them.

    @ivar isTouched: Whether the primary has been told.
    """

    def __init__(self, transport: Any, primaryPorts: IPrimaryPorts) -> None:
        self._transport = transport
        self._primaryPorts = primaryPorts
        self._inode = os.fstat(transport.fileno()).st_ino
        self.isTouched = False
        transport.doRead = self._doRead
        transport.writeSomeData = self._writeSomeData

    def touch(self) -> None:
        """
        Tell the primary, once.
        """
        if not self.isTouched:
            self.isTouched = True
            self._primaryPorts.touch(self._inode)

    def _mayTouch(self) -> bool:
        """
        Whether the primary is sure to know; then this is not needed any more.
        """
        self.touch()
        if not self._primaryPorts.hasTold:
            return False
        del self._transport.doRead, self._transport.writeSomeData
        return True

    def _doRead(self) -> Any:
        """
        Read nothing yet: the reactor is going to ask again.
        """
        return self._transport.doRead() if self._mayTouch() else None

    def _writeSomeData(self, data: bytes) -> Any:
        """
        Write nothing yet: what calls this is going to try again.
        """
        return self._transport.writeSomeData(data) if self._mayTouch() else 0


class _ServedMixin:
    """
    Over a transport: it is counted, and what it reads is handled in a
    conversation.
    """

    reactor: Any
    server: Any
    disconnecting: Any
    _aborting: bool
    _writeDisconnecting: bool
    _shouldShutdown: bool

    _insurance: _Insured | None = None
    _isForgotten = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reactor.serving.connectionMade(self)
        self.server.connectionMade()

    def insure(self, primaryPorts: IPrimaryPorts) -> None:
        """
        Have the primary told before the first byte is read or written.
        """
        self._insurance = _Insured(self, primaryPorts)

    def touch(self) -> None:
        """
        Something is going to happen to this connection that cannot be undone.
        """
        if self._insurance is not None:
            self._insurance.touch()

    def forgotten(self) -> None:
        """
        The reactor has forgotten this connection, as it does when it stops.
        """
        self._isForgotten = True

    @property
    def _isUntouched(self) -> bool:
        """
        Whether it is sure that nothing has happened to it, and nothing is meant to.
        """
        isClosing = self.disconnecting or self._writeDisconnecting or self._aborting
        insurance = self._insurance
        return insurance is not None and not (insurance.isTouched or isClosing)

    def _closeWriteConnection(self) -> None:
        """
        The client sees the end of what is written to it.
        """
        self.touch()
        super()._closeWriteConnection()  # type: ignore[misc]

    def doRead(self) -> Any:
        """
        Read, and have the protocol handle it.
        """
        # A Conversation, without making one for every read.
        serving = self.reactor.serving
        outer, serving.inConversation = serving.inConversation, True
        try:
            return super().doRead()  # type: ignore[misc]
        finally:
            serving.inConversation = outer

    def connectionLost(self, reason: Failure) -> None:
        """
        The client is gone, or the reactor stops.
        """
        try:
            if self._isForgotten and self._isUntouched:
                # Another process can serve it.  That would be its end in each.
                self._shouldShutdown = False
            else:
                self.touch()
            super().connectionLost(reason)  # type: ignore[misc]
        finally:
            self.reactor.serving.connectionLost(self)
            self.server.connectionServed()


class ServedTCPConnection(_ServedMixin, tcp.Server):
    """
    A TCP connection of a borrowed port.
    """


class ServedUNIXConnection(_ServedMixin, unix.Server):
    """
    A UNIX connection of a borrowed port.
    """
