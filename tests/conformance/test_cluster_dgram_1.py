"""
Node's C{test-cluster-dgram-1}: workers receive on one UDP port.
"""

from __future__ import annotations

from twisted.internet.defer import gatherResults
from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    same,
    saw,
    sawExit,
)

ADAPTED = (
    "There are two workers instead of four.  They read one datagram in a turn: "
    "Twisted's port reads on, in the same turn, after it was closed."
)
EACH = 10


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
        self.assertEqual(seen["received"], [EACH] * 2)
        self.assertEqual(seen["exit"], [[0, None]] * 2)


async def primary() -> None:
    """
    Send as many datagrams as the workers take together.
    """
    workers = [cluster.fork() for _ in range(2)]
    addresses = await gatherResults([worker.whenListening() for worker in workers])
    same({address.addressType for address in addresses}, {"udp4"})
    [number] = {address.port for address in addresses}
    told = [happening(worker, "message") for worker in workers]
    sender = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    for _ in range(EACH * len(workers)):
        sender.write(b"hello", ("127.0.0.1", number))
    for worker, telling in zip(workers, told, strict=True):
        [message, _] = await telling
        saw("received", message)
        worker.disconnect()
    for worker in workers:
        await sawExit(worker)
    await sender.stopListening()


class Receiver(DatagramProtocol):
    """
    Stops when it has enough.
    """

    count = 0

    def datagramReceived(self, datagram: bytes, address: object) -> None:
        """
        Count.
        """
        assert cluster.worker is not None
        assert self.transport is not None
        self.count += 1
        if self.count == EACH:
            self.transport.stopListening()
            cluster.worker.send(self.count)


async def worker() -> None:
    """
    Receive.
    """
    port = reactor().listenUDP(0, Receiver(), interface="127.0.0.1")
    port.maxThroughput = 1


if __name__ == "__main__":
    play(primary, worker)
