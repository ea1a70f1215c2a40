"""
A UNIX stream socket on which one waits for the answer.
"""

from __future__ import annotations

import socket

from zope.interface import implementer

from twisted_cluster._reactor.descriptortransport import receive
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import IBlockingChannel

ANSWER_TIMEOUT = 30.0
"""
Seconds to wait for the primary.  It answers in a fraction of a millisecond; only
one that is stopped, or starved of its processor, needs longer.
"""


@implementer(IBlockingChannel)
class BlockingChannel:
    """
    The worker's end of the query channel.
    """

    def __init__(self, channel: socket.socket, timeout: float = ANSWER_TIMEOUT) -> None:
        """
        @param channel: A connected UNIX stream socket; this object owns it.
        @param timeout: Seconds to wait for an answer.
        """
        channel.settimeout(timeout)
        self._socket = channel

    def exchange(self, data: bytes) -> tuple[bytes, list[int]]:
        """
        Send, and wait for what comes.
        """
        try:
            if data:
                self._socket.sendall(data)
            received, descriptors = receive(self._socket)
        except TimeoutError:
            # What comes later would be taken for the next question's answer.
            self._socket.close()
            raise ChannelClosed("the primary does not answer") from None
        except OSError as e:
            raise ChannelClosed(f"the primary is gone: {e}") from e
        if not received:
            raise ChannelClosed("the primary is gone")
        return received, descriptors or []
