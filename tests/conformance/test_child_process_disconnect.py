"""
Node's C{test-child-process-disconnect}: closing the channel.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = "A second C{disconnect} does nothing, where Node's raises."


class DisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_later(self) -> None:
        """
        It is not connected from then on; the event comes later, once, and closing
        twice is closing once.
        """
        seen = self.perform()
        self.assertEqual(seen["disconnect"], ["told at once: False"])
        self.assertEqual(seen["connected"], [False, False])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Close it twice.
    """
    worker = cluster.fork()
    await worker.whenListening()
    told = False

    def disconnected() -> None:
        nonlocal told
        told = True

    worker.on("disconnect", mustCall(disconnected))
    worker.process.disconnect()
    saw("connected", worker.isConnected() or worker.process.connected)
    saw("disconnect", f"told at once: {told}")
    worker.process.disconnect()
    await worker.whenDisconnected()
    saw("connected", worker.isConnected())
    worker.process.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
