"""
Node's C{test-cluster-worker-isdead}: whether a worker is dead.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    mustCall,
    nextTurn,
    play,
    saw,
)


class WorkerIsdeadTests(ProgramTests):
    """
    The test.
    """

    def test_isDead(self) -> None:
        """
        It is when its exit is told, and never for itself.
        """
        seen = self.perform()
        self.assertEqual(seen["primary"], [False, True])
        self.assertEqual(seen["worker"], [False])


async def primary() -> None:
    """
    Ask at both times.
    """
    worker = cluster.fork()
    saw("primary", worker.isDead())
    worker.on("exit", mustCall(lambda *exit: saw("primary", worker.isDead())))
    await worker.whenExited()
    await nextTurn()


async def worker() -> None:
    """
    Ask.
    """
    assert cluster.worker is not None
    saw("worker", cluster.worker.isDead())
    exitNow(0)


if __name__ == "__main__":
    play(primary, worker)
