"""
Node's C{test-cluster-rr-handle-ref-unref}: a port that shall not keep a
worker.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    sawExit,
    serving,
)

ADAPTED = (
    "Nothing unrefs in Twisted, and no Twisted program ends by itself when nothing is "
    "left to wait for: a port is paused instead, and C{cluster.worker.disconnect()} "
    "has the worker end."
)


class RrHandleRefUnrefTests(ProgramTests):
    """
    The test.
    """

    def test_paused(self) -> None:
        """
        A worker whose port was paused, started again and paused leaves at once.
        """
        seen = self.perform()
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Fork one worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Pause, go on, pause, and leave.
    """
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    port.stopReading()
    port.startReading()
    port.stopReading()
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
