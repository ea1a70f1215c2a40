"""
Node's C{test-cluster-disconnect-with-no-workers}: a cluster without workers is
disconnected.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    saw,
)


class DisconnectWithNoWorkersTests(ProgramTests):
    """
    The test.
    """

    def test_later(self) -> None:
        """
        It comes to its end, but not at once.
        """
        self.assertEqual(self.perform(), {"order": ["returned", "called"]})


async def primary() -> None:
    """
    Disconnect.
    """
    done = cluster.disconnect(mustCall(lambda: saw("order", "called")))
    saw("order", "returned")
    await done


async def worker() -> None:
    """
    There is none.
    """


if __name__ == "__main__":
    play(primary, worker)
