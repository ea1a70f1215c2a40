"""
Node's C{test-cluster-worker-destroy}: a worker that kills itself.
"""

from __future__ import annotations

import sys

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    nextTurn,
    play,
    same,
    saw,
    sawExit,
)

ADAPTED = "C{disconnect} returns a Deferred, which fires with the worker."


class WorkerDestroyTests(ProgramTests):
    """
    The test.
    """

    def test_kill(self) -> None:
        """
        Its ends are told once each, whether it was connected then or not.
        """
        for when in ("connected", "disconnected"):
            seen = self.perform(when)
            self.assertEqual(seen["event"], ["disconnect", "exit"])
            self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Watch it end.
    """
    worker = cluster.fork()
    for name in ("disconnect", "exit"):
        worker.on(name, mustCall(lambda *_, name=name: saw("event", name)))
    await sawExit(worker)
    await nextTurn()


async def worker() -> None:
    """
    End.
    """
    itself = cluster.worker
    assert itself is not None
    if sys.argv[1] == "connected":
        itself.kill()
    else:
        same(await itself.disconnect(), itself)
        itself.kill()


if __name__ == "__main__":
    play(primary, worker)
