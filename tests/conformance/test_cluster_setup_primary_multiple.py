"""
Node's C{test-cluster-setup-primary-multiple}: several calls in one turn.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    nextTurn,
    play,
    saw,
)


class SetupPrimaryMultipleTests(ProgramTests):
    """
    The test.
    """

    def test_multiple(self) -> None:
        """
        Each is told, in order, with its own settings.
        """
        seen = self.perform()
        self.assertEqual(seen["exec"], ["setup1", "setup2", "setup3"])
        self.assertEqual(seen["last"], ["setup3"])


async def primary() -> None:
    """
    Set up three times.
    """
    cluster.on("setup", mustCall(lambda settings: saw("exec", settings["exec"]), 3))
    for program in ("setup1", "setup2", "setup3"):
        cluster.setupPrimary(exec=program)
    saw("last", cluster.settings["exec"])
    await nextTurn()
    await nextTurn()


async def worker() -> None:
    """
    Do nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
