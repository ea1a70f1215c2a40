"""
Node's C{test-cluster-fork-env}: variables of a worker's own.
"""

from __future__ import annotations

import os

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    same,
    saw,
    sawExit,
)

ADAPTED = "C{send} returns a Deferred, which fires; Node's returns true."


class ForkEnvTests(ProgramTests):
    """
    The test.
    """

    def test_environment(self) -> None:
        """
        A variable can be added, and one of the primary's replaced.
        """
        self.assertEqual(
            self.perform(),
            {
                "variables": [["new", "custom"]],
                "delivered": [None],
                "exit": [[0, None]],
            },
        )


async def primary() -> None:
    """
    Start the worker.
    """
    os.environ["CLUSTER_TEST_OVERWRITE"] = "old"
    worker = cluster.fork(
        {"CLUSTER_TEST_PROP": "custom", "CLUSTER_TEST_OVERWRITE": "new"}
    )
    [message, _] = await happening(worker, "message")
    saw("variables", message)
    same(os.environ["CLUSTER_TEST_OVERWRITE"], "old")
    same("CLUSTER_TEST_PROP" in os.environ, False)
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Tell.
    """
    assert cluster.worker is not None
    names = ("CLUSTER_TEST_OVERWRITE", "CLUSTER_TEST_PROP")
    await cluster.worker.send([os.environ[name] for name in names])
    saw("delivered")


if __name__ == "__main__":
    play(primary, worker)
