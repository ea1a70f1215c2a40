"""
Node's C{test-cluster-cwd}: the directory that workers start in.
"""

from __future__ import annotations

import os

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    same,
)


class CwdTests(ProgramTests):
    """
    The test.
    """

    def test_directory(self) -> None:
        """
        It is the primary's, or the one in the settings.
        """
        self.perform()


async def primary() -> None:
    """
    Start a worker here, and one elsewhere.
    """
    same(cluster.settings.get("cwd"), None)
    first = cluster.fork()
    same("cwd" in cluster.settings, False)
    same(await happening(first, "message"), (os.getcwd(), None))
    os.mkdir("elsewhere")
    elsewhere = os.path.realpath("elsewhere")
    cluster.setupPrimary(cwd=elsewhere)
    same(cluster.settings["cwd"], elsewhere)
    second = cluster.fork()
    same(await happening(second, "message"), (elsewhere, None))
    await cluster.disconnect()


async def worker() -> None:
    """
    Tell.
    """
    assert cluster.worker is not None
    await cluster.worker.send(os.getcwd())


if __name__ == "__main__":
    play(primary, worker)
