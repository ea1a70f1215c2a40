"""
Node's C{test-cluster-worker-death}: a worker that ends with an error.
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


class WorkerDeathTests(ProgramTests):
    """
    The test.
    """

    def test_exit(self) -> None:
        """
        Its exit status is told, of the right worker.
        """
        seen = self.perform()
        self.assertEqual(seen["worker"], [[42, None]])
        self.assertEqual(seen["cluster"], [[1, 42, None]])


async def primary() -> None:
    """
    Watch it end.
    """
    worker = cluster.fork()
    worker.on("exit", mustCall(lambda *exit: saw("worker", exit)))
    cluster.on("exit", mustCall(lambda which, *exit: saw("cluster", [which.id, *exit])))
    await worker.whenExited()
    await nextTurn()


async def worker() -> None:
    """
    End.
    """
    exitNow(42)


if __name__ == "__main__":
    play(primary, worker)
