"""
Node's C{test-child-process-fork-ref}: what keeps a worker.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, later, play, same, saw, sawExit

ADAPTED = (
    "A reactor runs until it is stopped, so that there is no C{ref} and C{unref} of "
    "channels."
)


class ForkRefTests(ProgramTests):
    """
    The test.
    """

    def test_stays(self) -> None:
        """
        A worker that only listens for messages stays until it is disconnected, and hears them all.
        """
        seen = self.perform()
        self.assertEqual(seen["message"], [1, 2, 3])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Send now and then.
    """
    worker = cluster.fork()
    for number in (1, 2, 3):
        await worker.send(number)
        await later(0.1)
        same(worker.isDead(), False)
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Receive.
    """
    assert cluster.worker is not None
    cluster.worker.on("message", lambda message, handle: saw("message", message))


if __name__ == "__main__":
    play(primary, worker)
