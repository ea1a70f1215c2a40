"""
Workers that each receive so many datagrams, and leave the others to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import happening, reactor, saw, sawExit

EACH = 10
"""
How many each takes.
"""


class Receiver(DatagramProtocol):
    """
    A worker's: stops when it has enough, and tells the primary.
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


async def sendEnough(
    workers: Sequence[cluster.Worker], address: tuple[Any, ...]
) -> None:
    """
    In the primary, send as many datagrams as the workers take together, and see
    that each has taken its own and ends.
    """
    told = [happening(worker, "message") for worker in workers]
    sender = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    for _ in range(EACH * len(workers)):
        sender.write(b"hello", address)
    for worker, telling in zip(workers, told, strict=True):
        [message, _] = await telling
        saw("received", message)
        worker.disconnect()
    for worker in workers:
        await sawExit(worker)
    await sender.stopListening()
