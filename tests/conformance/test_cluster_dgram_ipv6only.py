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
    "C{listenUDP} has no option for it; C{with cluster.worker.ipv6Only()} is around it."
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
    with cluster.worker.ipv6Only():
        six = reactor().listenUDP(0, DatagramProtocol(), interface="::")
    number = six.getHost().port
    four = reactor().listenUDP(number, DatagramProtocol(), interface="0.0.0.0")
    saw("same", four.getHost().port == number)
    await six.stopListening()
    await four.stopListening()
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
