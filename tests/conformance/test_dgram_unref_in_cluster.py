"""
Node's C{test-dgram-unref-in-cluster}: a UDP port does not keep a worker.
"""

from __future__ import annotations

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, sawExit

ADAPTED = (
    "Node's C{unref} says that something does not keep its process. Here nothing "
    "does, until a worker is disconnected; then its ports are closed."
)


class DgramUnrefInClusterTests(ProgramTests):
    """
    The test.
    """

    def test_ends(self) -> None:
        """
        A worker that has one, and never closes it, ends when it is disconnected.
        """
        self.assertEqual(self.perform()["exit"], [[0, None]])


async def primary() -> None:
    """
    Disconnect the worker.
    """
    worker = cluster.fork()
    await worker.whenListening()
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Open a port.
    """
    reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
