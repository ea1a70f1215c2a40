"""
Node's C{test-cluster-concurrent-disconnect}: workers are told to disconnect while
they do.
"""

from __future__ import annotations

import os

from twisted.internet.defer import gatherResults

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    mustNotCall,
    play,
    sawExit,
)

# More would only take longer.
WORKERS = min(max(2, os.cpu_count() or 0), 16)


class ConcurrentDisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_disconnectAgain(self) -> None:
        """
        Each of the workers, one for each processor, ends in order.
        """
        self.assertEqual(self.perform(), {"exit": [[0, None]] * WORKERS})


async def primary() -> None:
    """
    Tell all workers to disconnect, and again whenever one has.
    """
    workers = [cluster.fork() for _ in range(WORKERS)]
    cluster.on("error", mustNotCall("error"))
    await gatherResults([worker.whenOnline() for worker in workers])

    def everyone(*_: object) -> None:
        for worker in workers:
            if worker.isConnected():
                worker.disconnect()

    cluster.on("disconnect", mustCall(everyone, WORKERS))
    everyone()
    for worker in workers:
        await sawExit(worker)


async def worker() -> None:
    """
    Nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
