"""
Node's C{test-cluster-dgram-1}: workers receive on one UDP port.
"""

from __future__ import annotations

from twisted.internet.defer import gatherResults

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    same,
)
from tests.conformance.receiving import EACH, Receiver, sendEnough

ADAPTED = (
    "The workers read one datagram in a turn: Twisted's port reads on, in the same "
    "turn, after it was closed."
)


class Dgram1Tests(ProgramTests):
    """
    The test.
    """

    def test_shared(self) -> None:
        """
        The port is the same for all; every datagram is received once, and a
        worker that has enough leaves the rest to the others.
        """
        seen = self.perform()
        self.assertEqual(seen["received"], [EACH] * 4)
        self.assertEqual(seen["exit"], [[0, None]] * 4)


async def primary() -> None:
    """
    Send as many datagrams as the workers take together.
    """
    workers = [cluster.fork() for _ in range(4)]
    addresses = await gatherResults([worker.whenListening() for worker in workers])
    same({address.addressType for address in addresses}, {"udp4"})
    [number] = {address.port for address in addresses}
    await sendEnough(workers, ("127.0.0.1", number))


async def worker() -> None:
    """
    Receive.
    """
    port = reactor().listenUDP(0, Receiver(), interface="127.0.0.1")
    port.maxThroughput = 1


if __name__ == "__main__":
    play(primary, worker)
