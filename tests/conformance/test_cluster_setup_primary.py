"""
Node's C{test-cluster-setup-primary}: arguments, and workers that are silent.
"""

from __future__ import annotations

import os
import sys

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    saw,
)


class SetupPrimaryTests(ProgramTests):
    """
    The test.
    """

    def test_setupPrimary(self) -> None:
        """
        The settings are told, kept and followed.
        """
        seen = self.perform()
        self.assertEqual(seen["setup"], [True])
        self.assertEqual(seen["settings"], [[["custom argument"], True]])
        self.assertEqual(seen["arguments"], [["custom argument"]] * 2)
        self.assertEqual(seen["output"], ["what a worker writes"] * 2)


async def primary() -> None:
    """
    Set up, and fork two workers.
    """
    cluster.once("setup", lambda settings: saw("setup", settings == cluster.settings))
    cluster.setupPrimary(args=["custom argument"], silent=True)
    saw("settings", [cluster.settings["args"], cluster.settings["silent"]])
    workers = [cluster.fork(), cluster.fork()]
    for worker in workers:
        assert worker.process.stdout is not None
        worker.process.stdout.on("data", lambda data: saw("output", data.decode()))
    cluster.on("message", lambda worker, message, _: saw("arguments", message))
    for worker in workers:
        await worker.whenExited()


async def worker() -> None:
    """
    Tell the arguments, and write something.
    """
    assert cluster.worker is not None
    os.write(1, b"what a worker writes")
    await cluster.worker.send(sys.argv[1:])
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
