"""
Node's C{test-cluster-kill-infinite-loop}: a worker that never comes to rest is
killed.
"""

from __future__ import annotations

import sys

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    sawExit,
)

ADAPTED = (
    "The loop is before the reactor runs.  A reactor that runs takes SIGTERM as an "
    "order to stop as soon as it can; then only SIGKILL ends such a loop."
)


class KillInfiniteLoopTests(ProgramTests):
    """
    The tests.
    """

    def test_term(self) -> None:
        """
        Before its reactor runs, SIGTERM ends it.
        """
        self.assertEqual(self.perform(), {"exit": [[None, "SIGTERM"]]})

    def test_kill(self) -> None:
        """
        SIGKILL ends it whenever.
        """
        self.assertEqual(self.perform("running"), {"exit": [[None, "SIGKILL"]]})


async def primary() -> None:
    """
    Kill the worker.
    """
    worker = cluster.fork()
    await happening(worker, "online")
    if "running" in sys.argv:
        await happening(worker, "message")
        worker.process.kill("SIGKILL")
    else:
        worker.process.kill()
    await sawExit(worker)


async def worker() -> None:
    """
    Never come to rest.
    """
    assert cluster.worker is not None
    await cluster.worker.send("running")
    while True:
        pass


if __name__ == "__main__":
    while cluster.isWorker and "running" not in sys.argv:
        pass
    play(primary, worker)
