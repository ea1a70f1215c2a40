"""
Node's C{test-cluster-rr-ref}: closing a port that was paused.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = "Nothing unrefs in Twisted; the port is paused instead."


class RrRefTests(ProgramTests):
    """
    The test.
    """

    def test_close(self) -> None:
        """
        It is closed, and says so.
        """
        seen = self.perform()
        self.assertEqual(seen["closed"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Fork one worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Pause, go on, and close.
    """
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    port.stopReading()
    port.startReading()
    await port.stopListening()
    saw("closed", port.disconnected)
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
