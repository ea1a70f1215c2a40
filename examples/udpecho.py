"""
A service that answers datagrams.

UDP has no connections to hand over: the workers share one socket, and the
kernel chooses who receives a datagram::

    $ PORT=8080 twistd -n cluster --workers 4 udpecho:service

Each datagram is answered once, by some worker::

    $ exec 3<> /dev/udp/127.0.0.1/8080; printf 'hello' >&3; head -n 1 <&3
    4711: hello
"""

from __future__ import annotations

import os

from twisted.application.internet import UDPServer
from twisted.internet.protocol import DatagramProtocol


class Echo(DatagramProtocol):
    """
    Sends each datagram back, with the number of this process.
    """

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        """
        Send it back.
        """
        assert self.transport is not None
        self.transport.write(b"%d: %s\n" % (os.getpid(), datagram), addr)


service = UDPServer(int(os.environ.get("PORT", "8080")), Echo(), interface="127.0.0.1")
