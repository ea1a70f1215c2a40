"""
Node's C{test-cluster-worker-kill}: a worker whose process is killed.
"""

from __future__ import annotations

from collections.abc import Callable

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    nextTurn,
    play,
    reactor,
    same,
    saw,
    serving,
)
from tests.conformance.watching import isGone, life, watch
from twisted_cluster.workerapi import Worker


class WorkerKillTests(ProgramTests):
    """
    The test.
    """

    def test_kill(self) -> None:
        """
        It is told of itself and of the cluster, that nobody wanted it to end, and
        the process is gone.
        """
        seen = self.perform()
        for who in ("worker", "cluster"):
            self.assertEqual(seen[who], life([None, "SIGKILL"], False))
        self.assertEqual(seen["gone"], [True])


async def primary() -> None:
    """
    Kill it by its process.
    """
    await killListening(lambda worker: worker.process.kill("SIGKILL"))


async def killListening(kill: Callable[[Worker], object]) -> None:
    """
    Kill a worker when it listens.
    """
    worker = cluster.fork()
    watch(worker)
    worker.on("exit", mustCall(lambda *exit: same(cluster.workers, {})))
    await worker.whenListening()
    await nextTurn()
    pid = worker.process.pid
    kill(worker)
    await worker.whenExited()
    await nextTurn()
    assert pid is not None
    saw("gone", isGone(pid))


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
