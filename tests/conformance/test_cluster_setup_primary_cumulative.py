"""
Node's C{test-cluster-setup-primary-cumulative}: settings that add up.
"""

from __future__ import annotations

import os

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    saw,
)

ADAPTED = (
    "The settings are those that there are here: C{serialization} is always among them."
)


class SetupPrimaryCumulativeTests(ProgramTests):
    """
    The test.
    """

    def test_cumulative(self) -> None:
        """
        Each call changes what it names, and nothing else.
        """
        seen = self.perform("an argument")
        defaults = {
            "args": ["an argument"],
            "exec": os.path.abspath(__file__),
            "execArgv": seen["interpreter's"][0],
            "serialization": "json",
            "silent": False,
        }
        overridden = {**defaults, "exec": "overridden"}
        further = {**overridden, "args": ["foo", "bar"]}
        self.assertEqual(
            seen["settings"],
            [
                {},
                defaults,
                overridden,
                further,
                {**further, "execArgv": ["-B", "-I"]},
                {**further, "execArgv": ["-B", "-I"]},
            ],
        )


async def primary() -> None:
    """
    Set up, again and again.
    """
    saw("settings", cluster.settings)
    cluster.setupPrimary()
    saw("settings", cluster.settings)
    saw("interpreter's", cluster.settings["execArgv"])
    cluster.setupPrimary(exec="overridden")
    saw("settings", cluster.settings)
    cluster.setupPrimary(args=["foo", "bar"])
    saw("settings", cluster.settings)
    cluster.setupPrimary(execArgv=["-B", "-I"])
    saw("settings", cluster.settings)
    cluster.setupPrimary()
    saw("settings", cluster.settings)


async def worker() -> None:
    """
    Do nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
