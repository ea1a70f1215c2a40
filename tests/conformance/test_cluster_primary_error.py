"""
Node's C{test-cluster-primary-error}: a primary that breaks.
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

ADAPTED = (
    "An exception ends no Twisted program by itself, so this one ends itself, as if "
    "by an exception, without stopping its reactor."
)


class PrimaryErrorTests(ProgramTests):
    """
    The test.
    """

    def test_workersEnd(self) -> None:
        """
        Its workers end, too.
        """
        seen = self.perform(status=1)
        self.assertEqual(len(seen["worker"]), 2)
        for pid in seen["worker"]:
            self.assertTrue(endsSoon(pid))


async def primary() -> None:
    """
    End in disorder when two workers listen.
    """
    for worker in [cluster.fork(), cluster.fork()]:
        await worker.whenListening()
        saw("worker", worker.process.pid)
    exitNow(1)


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
