"""
Node's C{test-cluster-primary-kill}: a primary that ends.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    play,
    reactor,
    saw,
    serving,
)
from tests.conformance.watching import endsSoon


class PrimaryKillTests(ProgramTests):
    """
    The test.
    """

    def test_workerEnds(self) -> None:
        """
        Its worker ends, too.
        """
        seen = self.perform()
        [pid] = seen["worker"]
        self.assertTrue(endsSoon(pid))


async def primary() -> None:
    """
    End with a worker that listens.
    """
    worker = cluster.fork()
    await worker.whenListening()
    saw("worker", worker.process.pid)
    exitNow(0)


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
