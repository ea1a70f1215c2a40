"""
Node's C{test-cluster-dgram-ipv6only}: a UDP port for IPv6 alone, and one for IPv4
of the same number.
"""

from __future__ import annotations

import socket

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    saw,
    sawExit,
)

ADAPTED = (
    "Twisted has no option for it; the sockets are bound by the worker, and adopted."
)


class DgramIPv6OnlyTests(ProgramTests):
    """
    The test.
    """

    def test_both(self) -> None:
        """
        Both can be had.
        """
        if not socket.has_ipv6:
            self.skipTest("there is no IPv6 here")
        self.assertEqual(self.perform(), {"same": [True], "exit": [[0, None]]})


async def primary() -> None:
    """
    Start the worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Open and close both.
    """
    assert cluster.worker is not None
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(("::", 0))
        bound.setblocking(False)
        six = reactor().adoptDatagramPort(
            bound.fileno(), socket.AF_INET6, DatagramProtocol()
        )
    number = six.getHost().port
    four = reactor().listenUDP(number, DatagramProtocol(), interface="0.0.0.0")
    saw("same", four.getHost().port == number)
    await six.stopListening()
    await four.stopListening()
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
