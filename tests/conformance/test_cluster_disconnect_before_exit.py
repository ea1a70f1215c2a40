"""
Node's C{test-cluster-disconnect-before-exit}: the cluster is disconnected when its
worker has, but has perhaps not ended.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    saw,
    sawExit,
)


class DisconnectBeforeExitTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        Both end.
        """
        self.assertEqual(
            self.perform(), {"connected": [False], "dead": [True], "exit": [[0, None]]}
        )


async def primary() -> None:
    """
    Disconnect the worker, then the cluster.
    """
    worker = cluster.fork()
    await happening(worker, "online")
    worker.disconnect()
    await happening(worker, "disconnect")
    saw("connected", worker.isConnected())
    await cluster.disconnect()
    saw("dead", worker.isDead())
    await sawExit(worker)


async def worker() -> None:
    """
    Nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
