"""
Node's C{test-child-process-advanced-serialization-splitted-length-field}:
messages whose beginnings are spread over two reads.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import DeferredQueue

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, same, saw

COUNT = 100
# So that, with what is before each, the ends lie anywhere in what is read.
SIZE = 65521


class AdvancedSerializationSplittedLengthFieldTests(ProgramTests):
    """
    The test.
    """

    def test_whole(self) -> None:
        """
        They arrive whole, and in order.
        """
        self.assertEqual(self.perform()["received"], [COUNT])


async def primary() -> None:
    """
    Receive.
    """
    cluster.setupPrimary(serialization="advanced")
    worker = cluster.fork()
    messages: DeferredQueue[Any] = DeferredQueue()
    worker.on("message", lambda message, handle: messages.put(message))
    for number in range(COUNT):
        message = await messages.get()
        same((len(message), message[0]), (SIZE, number))
    saw("received", COUNT)
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
