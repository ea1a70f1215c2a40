"""
Node's C{test-cluster-worker-constructor}: a worker that nothing has happened
to yet.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    same,
    saw,
)

ADAPTED = "A worker without a process cannot be made here: only C{fork} makes one."


class WorkerConstructorTests(ProgramTests):
    """
    The test.
    """

    def test_new(self) -> None:
        """
        What it says of itself.
        """
        seen = self.perform()
        self.assertEqual(seen["new"], [[1, "none", None, None, None]])


async def primary() -> None:
    """
    Look at a new worker.
    """
    worker = cluster.fork()
    same(isinstance(worker, cluster.Worker), True)
    process = worker.process
    saw(
        "new",
        [
            worker.id,
            worker.state,
            worker.exitedAfterDisconnect,
            process.exitCode,
            process.signalCode,
        ],
    )
    await worker.whenOnline()
    await worker.disconnect()
    await worker.whenExited()


async def worker() -> None:
    """
    Do nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
