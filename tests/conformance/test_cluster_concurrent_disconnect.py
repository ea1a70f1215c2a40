"""
Node's C{test-cluster-concurrent-disconnect}: workers are told to disconnect while
they do.
"""

from __future__ import annotations

from twisted.internet.defer import gatherResults

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    sawExit,
)


class ConcurrentDisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_disconnectAgain(self) -> None:
        """
        Each ends in order.
        """
        self.assertEqual(self.perform(), {"exit": [[0, None]] * 2})


async def primary() -> None:
    """
    Tell all workers to disconnect, and again whenever one has.
    """
    workers = [cluster.fork() for _ in range(2)]
    await gatherResults([worker.whenOnline() for worker in workers])

    def everyone(*_: object) -> None:
        for worker in workers:
            if worker.isConnected():
                worker.disconnect()

    cluster.on("disconnect", mustCall(everyone, 2))
    everyone()
    for worker in workers:
        await sawExit(worker)


async def worker() -> None:
    """
    Nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
