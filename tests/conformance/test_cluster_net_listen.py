"""
Node's C{test-cluster-net-listen}: a worker that listens anywhere.
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


class NetListenTests(ProgramTests):
    """
    The test.
    """

    def test_anywhere(self) -> None:
        """
        A port without any wish is opened, and closed again.
        """
        seen = self.perform()
        self.assertTrue(0 < seen["port"][0] < 65536)
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Fork one worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Listen, close, and leave.
    """
    port = reactor().listenTCP(0, serving())
    saw("port", port.getHost().port)
    await port.stopListening()
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
