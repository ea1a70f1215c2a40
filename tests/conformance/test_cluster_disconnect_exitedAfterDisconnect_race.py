"""
Node's C{test-cluster-disconnect-exitedAfterDisconnect-race}: a worker disconnects
as soon as it can.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    mustCall,
    nextTurn,
    play,
    same,
    saw,
    sawExit,
)


class DisconnectRaceTests(ProgramTests):
    """
    The test.
    """

    def test_primaryKnowsFirst(self) -> None:
        """
        The worker is disconnected only when the primary knows that it wants to
        be.
        """
        seen = self.perform()
        self.assertEqual(seen["disconnected at once"], [False, False])
        self.assertEqual(seen["wanted"], [True, True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    See what is known when the worker is disconnected.
    """
    worker = cluster.fork()
    await happening(worker, "disconnect")
    saw("wanted", worker.exitedAfterDisconnect)
    await sawExit(worker)


async def worker() -> None:
    """
    Disconnect.
    """
    assert cluster.worker is not None
    disconnected = cluster.worker.disconnect()
    saw("disconnected at once", disconnected.called)
    await nextTurn()
    saw("disconnected at once", disconnected.called)
    same(cluster.worker.isConnected(), True)
    cluster.worker.on("disconnect", mustCall())
    await disconnected
    saw("wanted", cluster.worker.exitedAfterDisconnect)


if __name__ == "__main__":
    play(primary, worker)
