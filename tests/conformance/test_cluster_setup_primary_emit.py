"""
Node's C{test-cluster-setup-primary-emit}: how settings are told.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    saw,
)


class SetupPrimaryEmitTests(ProgramTests):
    """
    The test.
    """

    def test_emit(self) -> None:
        """
        Each call is told, with the settings that it made, and not before it
        returns.
        """
        seen = self.perform()
        self.assertEqual(
            seen["order"],
            [
                "called",
                ["setup", ["one"]],
                "called",
                ["setup", ["two"]],
                ["setup", ["two"]],
            ],
        )


async def primary() -> None:
    """
    Set up twice, and fork.
    """
    cluster.on("setup", lambda settings: saw("order", ["setup", settings["args"]]))
    for arguments in ("one", "two"):
        told = happening(cluster, "setup")
        cluster.setupPrimary(args=[arguments])
        saw("order", "called")
        await told
    worker = cluster.fork()
    await worker.whenOnline()
    await worker.disconnect()
    await worker.whenExited()


async def worker() -> None:
    """
    Do nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
