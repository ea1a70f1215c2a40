"""
Node's C{test-dgram-cluster-close-in-listening}: UDP ports that are closed as
soon as they are open.
"""

from __future__ import annotations

from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, mustCall, play, reactor, sawExit


class DgramClusterCloseInListeningTests(ProgramTests):
    """
    The test.
    """

    def test_closed(self) -> None:
        """
        Three workers do it without any error.
        """
        seen = self.perform()
        self.assertEqual(seen["exit"], [[0, None]] * 3)


async def primary() -> None:
    """
    Start the workers.
    """
    workers = [cluster.fork() for _ in range(3)]
    for one in workers:
        one.on("listening", mustCall())
    for one in workers:
        await sawExit(one)


async def worker() -> None:
    """
    Open and close.
    """
    assert cluster.worker is not None
    port = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    await maybeDeferred(port.stopListening)
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
