"""
Node's C{test-cluster-kill-disconnect}: workers that leave of their own accord.
"""

from __future__ import annotations

import sys

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    saw,
    sawExit,
)


class KillDisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        One that disconnects itself has left because it wanted to.
        """
        self.assertEqual(
            self.perform("disconnect"), {"wanted": [True, True], "exit": [[0, None]]}
        )

    def test_kill(self) -> None:
        """
        So has one that kills itself.
        """
        self.assertEqual(
            self.perform("kill"), {"wanted": [True, True], "exit": [[0, None]]}
        )


async def primary() -> None:
    """
    See what is known.
    """
    worker = cluster.fork()
    for name in ("disconnect", "exit"):
        worker.on(
            name, mustCall(lambda *_: saw("wanted", worker.exitedAfterDisconnect))
        )
    await sawExit(worker)


async def worker() -> None:
    """
    Leave.
    """
    getattr(cluster.worker, sys.argv[1])()


if __name__ == "__main__":
    play(primary, worker)
