"""
Node's C{test-cluster-worker-isconnected}: whether a worker is connected.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    saw,
)


class WorkerIsconnectedTests(ProgramTests):
    """
    The test.
    """

    def test_isConnected(self) -> None:
        """
        It is from the start, and is not when it is told that it is not, in both
        processes.
        """
        seen = self.perform()
        self.assertEqual(seen["primary"], [True, True, False])
        self.assertEqual(seen["worker"], [True, False])


async def primary() -> None:
    """
    Ask at several times.
    """
    worker = cluster.fork()
    saw("primary", worker.isConnected())
    told = happening(worker, "disconnect")
    worker.on("disconnect", lambda: saw("primary", worker.isConnected()))
    await happening(worker, "message")
    saw("primary", worker.isConnected())
    worker.disconnect()
    await told
    await worker.whenExited()


async def worker() -> None:
    """
    Ask at both times.
    """
    itself = cluster.worker
    assert itself is not None
    saw("worker", itself.isConnected())
    itself.on("disconnect", lambda: saw("worker", itself.isConnected()))
    await itself.send("ready")


if __name__ == "__main__":
    play(primary, worker)
