"""
Node's C{test-cluster-worker-disconnect}: a worker that the primary wants to
leave.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    nextTurn,
    play,
    reactor,
    same,
    saw,
    serving,
)
from tests.conformance.watching import isGone, life, watch

ADAPTED = "C{disconnect} returns a Deferred, which fires with the worker."


class WorkerDisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        It is told of itself and of the cluster, the worker's program takes notice,
        and the process is gone.
        """
        seen = self.perform()
        for who in ("worker", "cluster"):
            self.assertEqual(seen[who], life([42, None], True))
        self.assertEqual(seen["gone"], [True])


async def primary() -> None:
    """
    Ask it to leave when it listens.
    """
    worker = cluster.fork()
    watch(worker)
    await worker.whenListening()
    # Not in what that is told of.
    await nextTurn()
    pid = worker.process.pid
    same(await worker.disconnect(), worker)
    await worker.whenExited()
    await nextTurn()
    assert pid is not None
    saw("gone", isGone(pid))


async def worker() -> None:
    """
    Listen, and end in a way that can be told from others.
    """
    assert cluster.worker is not None
    cluster.worker.once("disconnect", lambda: exitNow(42))
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
