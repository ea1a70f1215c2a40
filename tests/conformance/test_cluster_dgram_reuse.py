"""
Node's C{test-cluster-dgram-reuse}: one worker binds a UDP port twice, with
C{reuseAddr}.
"""

from __future__ import annotations

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
    "Twisted says it with C{listenMulticast} and C{listenMultiple}; such ports are "
    "each worker's own."
)


class DgramReuseTests(ProgramTests):
    """
    The test.
    """

    def test_twice(self) -> None:
        """
        Both can be had.
        """
        self.assertEqual(self.perform(), {"same": [True], "exit": [[0, None]]})


async def primary() -> None:
    """
    Start the worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Bind twice.
    """
    assert cluster.worker is not None
    first = reactor().listenMulticast(0, DatagramProtocol(), listenMultiple=True)
    number = first.getHost().port
    second = reactor().listenMulticast(number, DatagramProtocol(), listenMultiple=True)
    saw("same", second.getHost().port == number)
    await first.stopListening()
    await second.stopListening()
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
