"""
Node's C{test-cluster-setup-primary-argv}: the program's own arguments.
"""

from __future__ import annotations

import sys

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    saw,
)


class SetupPrimaryArgvTests(ProgramTests):
    """
    The test.
    """

    def test_argv(self) -> None:
        """
        They are taken when the settings are first made, not earlier.
        """
        seen = self.perform("early")
        self.assertEqual(seen["arguments"], [["early", "late"]])
        self.assertEqual(seen["setup"], [["early", "late"]])


async def primary() -> None:
    """
    Change the arguments, and set up.
    """
    told = happening(cluster, "setup")
    sys.argv.append("late")
    cluster.setupPrimary()
    saw("arguments", cluster.settings["args"])
    [settings] = await told
    saw("setup", settings["args"])


async def worker() -> None:
    """
    Do nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
