"""
Node's C{test-cluster-rr-handle-keep-loop-alive}: a worker that only listens.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    later,
    mustCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "Nothing unrefs in Twisted, and no Twisted program ends by itself when nothing is "
    "left to wait for: what this shows is only that it does not end, and not that the "
    "port is why."
)


class RrHandleKeepLoopAliveTests(ProgramTests):
    """
    The test.
    """

    def test_alive(self) -> None:
        """
        It stays.
        """
        seen = self.perform()
        self.assertEqual(seen["alive"], [True])
        self.assertEqual(seen["exit"], [[None, "SIGKILL"]])


async def primary() -> None:
    """
    See it stay for a while.
    """
    worker = cluster.fork()
    worker.once("disconnect", mustCall())
    await worker.whenListening()
    await later(3)
    saw("alive", worker.isConnected() and not worker.isDead())
    worker.kill("SIGKILL")
    await sawExit(worker)


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
