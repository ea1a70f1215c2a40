"""
Node's C{test-child-process-fork-ref2}: what does not keep a worker.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
)

ADAPTED = (
    "Timers do not keep a worker that leaves: nearly every Twisted program has one "
    "that never ends."
)


class ForkRef2Tests(ProgramTests):
    """
    The test.
    """

    def test_ends(self) -> None:
        """
        A worker that disconnects ends, though it has a timer left.
        """
        seen = self.perform()
        self.assertEqual(seen["disconnect"], [1])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Wait for its end.
    """
    worker = cluster.fork()
    worker.on("disconnect", mustCall())
    await sawExit(worker)


async def worker() -> None:
    """
    Disconnect.
    """
    itself = cluster.worker
    assert itself is not None
    reactor().callLater(3600, mustNotCall("timer"))
    itself.on("disconnect", mustCall(lambda: saw("disconnect", itself.id)))
    itself.disconnect()


if __name__ == "__main__":
    play(primary, worker)
