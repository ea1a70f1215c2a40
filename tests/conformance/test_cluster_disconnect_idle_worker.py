"""
Node's C{test-cluster-disconnect-idle-worker}: a cluster is disconnected whose
workers were only just started.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    saw,
    sawExit,
)


class DisconnectIdleWorkerTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        It comes to its end, and no worker is left.
        """
        self.assertEqual(self.perform(), {"left": [{}], "exit": [[0, None]] * 2})


async def primary() -> None:
    """
    Start two workers, by a function that is on its own, and disconnect.
    """
    fork = cluster.fork
    workers = [fork(), fork()]
    await cluster.disconnect(mustCall(lambda: saw("left", dict(cluster.workers))))
    for worker in workers:
        await sawExit(worker)


async def worker() -> None:
    """
    Nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
