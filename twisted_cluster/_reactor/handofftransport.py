"""
The primary's end of a hand-off channel.

The channel is a socket pair that keeps packets apart, and the primary has a
duplicate of the worker's end.  The kernel gives each packet to whoever reads it
first, and to nobody else: so what a worker has not read can be taken back from
it, without asking the worker, which may be hanging, and without any doubt about
who has it.  (On a stream, two readers would tear the boxes apart.)
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster.interfaces import IDescriptorProtocol, IHandoffTransport

PACKET_LIMIT = 65536
"""
How long a packet is at most; what is longer is cut off by the kernel.
"""

# macOS has no SOCK_SEQPACKET for UNIX sockets.  Its datagrams differ only in that
# nobody is told when the other end closes, which the stream channel tells anyway.
_KIND = socket.SOCK_DGRAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET


def handoffPair() -> tuple[socket.socket, socket.socket]:
    """
    @return: Two connected sockets that keep packets apart, the caller's to close.
    """
    return socket.socketpair(socket.AF_UNIX, _KIND)


@implementer(IHandoffTransport)
class HandoffTransport(DescriptorTransport):
    """
    A descriptor transport that can take back what it has sent.

    As the worker's end is held open here, too, the end of the worker is no end of
    this channel; who uses it closes it when the worker is gone.

    @ivar _theirs: Our duplicate of the worker's end.
    """

    def __init__(
        self,
        reactor: Any,
        channel: socket.socket,
        theirs: socket.socket,
        protocol: IDescriptorProtocol,
    ) -> None:
        """
        @param channel: Our end; the transport owns it.
        @param theirs: A duplicate of the worker's end; the transport owns it.
        """
        super().__init__(reactor, channel, protocol)
        self._theirs = theirs

    def takeBack(self) -> list[bytes]:
        """
        Take out of the channel what the worker has not read, and what the kernel
        had no room for yet.
        """
        packets = []
        while self.connected:
            try:
                # Without room for ancillary data: the kernel drops the duplicates
                # of the descriptors, of which we have our own.  Whether it waits is
                # said here: the worker could change that for its end, and this is
                # the same.
                packet = self._theirs.recv(PACKET_LIMIT, socket.MSG_DONTWAIT)
            except OSError:
                # Nothing is left; or nothing can be read any more.
                break
            if not packet:
                # The worker has shut its end down.
                break
            packets.append(packet)
        packets += [b"".join(message.pieces) for message in self._waiting]
        self._forget()
        return packets

    def connectionLost(self, reason: Failure) -> None:
        """
        Close both ends.
        """
        self._theirs.close()
        super().connectionLost(reason)
