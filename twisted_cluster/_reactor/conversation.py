"""
Noting that the application is serving one of its clients.

A port that is opened meanwhile is for that client: the data connection of a
passive FTP transfer, a forwarding that an SSH client asked for, the transfer of
a TFTP file.  It must be this worker's own.  Were it shared, the next worker
could get the client's connection, and another client this one's data.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import tcp, unix


class ConversingReactor:
    """
    Where it is noted.

    @ivar inConversation: Whether something that a client sent is being handled.
    """

    inConversation = False


class Conversation:
    """
    A C{with} block around what is done for a client.
    """

    def __init__(self, reactor: ConversingReactor) -> None:
        self._reactor = reactor

    def __enter__(self) -> None:
        self._outer = self._reactor.inConversation
        self._reactor.inConversation = True

    def __exit__(self, *exception: object) -> None:
        self._reactor.inConversation = self._outer


class _ConversingMixin:
    """
    Over a transport: what it reads is handled in a conversation.
    """

    reactor: Any

    def doRead(self) -> Any:
        """
        Read, and have the protocol handle it.
        """
        with Conversation(self.reactor):
            return super().doRead()  # type: ignore[misc]


class ServedTCPConnection(_ConversingMixin, tcp.Server):
    """
    A TCP connection of a borrowed port.
    """


class ServedUNIXConnection(_ConversingMixin, unix.Server):
    """
    A UNIX connection of a borrowed port.
    """
