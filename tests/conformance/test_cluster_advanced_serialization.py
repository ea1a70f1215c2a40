"""
Node's C{test-cluster-advanced-serialization}: a structure that refers to itself,
to a worker and back.
"""

from __future__ import annotations

from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    same,
    saw,
    sawExit,
)


class AdvancedSerializationTests(ProgramTests):
    """
    The test.
    """

    def test_circular(self) -> None:
        """
        The structure comes back as it was.
        """
        self.assertEqual(self.perform(), {"back": [True], "exit": [[0, None]]})


async def primary() -> None:
    """
    Send the structure, and look at what comes back.
    """
    cluster.setupPrimary(serialization="advanced")
    circular: dict[str, Any] = {"nested": {"values": [1, 2.5, b"bytes", None]}}
    circular["self"] = circular
    worker = cluster.fork()
    worker.send(circular)
    [back, _] = await happening(worker, "message")
    saw("back", back["self"] is back)
    same(back["nested"], circular["nested"])
    same(set(back), set(circular))
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Send back what comes.
    """
    assert cluster.worker is not None
    [message, _] = await happening(cluster.worker, "message")
    await cluster.worker.send(message)


if __name__ == "__main__":
    play(primary, worker)
