"""
Node's C{test-child-process-fork-close}: the order of a worker's last words and
its end.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, mustCall, play, reactor, saw

ADAPTED = (
    "C{disconnect} takes the place of C{close}: channel and output of a process are "
    "not one here."
)


class ForkCloseTests(ProgramTests):
    """
    The test.
    """

    def test_order(self) -> None:
        """
        Its message comes first, then the end of the channel, then that of the process.
        """
        seen = self.perform()
        self.assertEqual(seen["event"], ["message", "disconnect", "exit"])


async def primary() -> None:
    """
    Watch.
    """
    worker = cluster.fork()
    for name in ("message", "disconnect", "exit"):
        worker.on(name, mustCall(lambda *_, name=name: saw("event", name)))
    await worker.whenExited()


async def worker() -> None:
    """
    Send, and end.
    """
    assert cluster.worker is not None
    cluster.worker.send({"hello": "world"})
    reactor().stop()


if __name__ == "__main__":
    play(primary, worker)
