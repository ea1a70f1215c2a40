"""
Node's C{test-child-process-advanced-serialization-largebuffer}: very long
messages of bytes.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import DeferredQueue

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, saw

COUNT = 4
SIZE = 8 * 1024 * 1024


class AdvancedSerializationLargebufferTests(ProgramTests):
    """
    The test.
    """

    def test_whole(self) -> None:
        """
        They arrive whole, and in order.
        """
        self.assertEqual(self.perform()["same"], [True] * COUNT)


async def primary() -> None:
    """
    Receive.
    """
    cluster.setupPrimary(serialization="advanced")
    worker = cluster.fork()
    messages: DeferredQueue[Any] = DeferredQueue()
    worker.on("message", lambda message, handle: messages.put(message))
    for number in range(COUNT):
        saw("same", await messages.get() == bytes([number]) * SIZE)
    await cluster.disconnect()


async def worker() -> None:
    """
    Send.
    """
    assert cluster.worker is not None
    for number in range(COUNT):
        cluster.worker.send(bytes([number]) * SIZE)


if __name__ == "__main__":
    play(primary, worker)
