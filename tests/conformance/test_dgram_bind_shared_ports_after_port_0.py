"""
Node's C{test-dgram-bind-shared-ports-after-port-0}: a UDP port of any number is
asked for by that number.
"""

from __future__ import annotations

import os

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, sawExit


class DgramBindSharedPortsAfterPort0Tests(ProgramTests):
    """
    The test.
    """

    def test_shared(self) -> None:
        """
        The second worker shares the port.
        """
        seen = self.perform()
        [first, second] = seen["port"]
        self.assertEqual(first, second)
        self.assertEqual(seen["exit"], [[0, None]] * 2)


async def primary() -> None:
    """
    Tell the second worker which number the first one got.
    """
    first = cluster.fork()
    address = await first.whenListening()
    saw("port", address.port)
    second = cluster.fork({"PORT": str(address.port)})
    saw("port", (await second.whenListening()).port)
    for one in (first, second):
        one.disconnect()
        await sawExit(one)


async def worker() -> None:
    """
    Open the port.
    """
    number = int(os.environ.get("PORT", "0"))
    reactor().listenUDP(number, DatagramProtocol(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
