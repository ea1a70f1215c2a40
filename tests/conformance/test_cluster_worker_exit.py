"""
Node's C{test-cluster-worker-exit}: a worker that just ends.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    nextTurn,
    play,
    reactor,
    saw,
    serving,
)
from tests.conformance.watching import isGone, life, watch
from twisted_cluster.errors import ChannelClosed


class WorkerExitTests(ProgramTests):
    """
    The test.
    """

    def test_exit(self) -> None:
        """
        It is told of itself and of the cluster, that nobody wanted it to, and the
        process is gone.
        """
        seen = self.perform()
        for who in ("worker", "cluster"):
            self.assertEqual(seen[who], life([42, None], False))
        self.assertEqual(seen["gone"], [True])


async def primary() -> None:
    """
    Watch it end when it listens.
    """
    worker = cluster.fork()
    watch(worker)
    await worker.whenListening()
    pid = worker.process.pid
    worker.send("exit").addErrback(lambda failure: failure.trap(ChannelClosed))
    await worker.whenExited()
    await nextTurn()
    assert pid is not None
    saw("gone", isGone(pid))


async def worker() -> None:
    """
    Listen, and end when told to.
    """
    assert cluster.worker is not None
    cluster.worker.on("message", lambda message, handle: exitNow(42))
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
