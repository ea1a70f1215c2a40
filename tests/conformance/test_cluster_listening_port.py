"""
Node's C{test-cluster-listening-port}: the number of a port that the kernel chose.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    same,
    saw,
    serving,
)


class ListeningPortTests(ProgramTests):
    """
    The test.
    """

    def test_number(self) -> None:
        """
        The primary is told the number, and it is not 0.
        """
        seen = self.perform()
        self.assertEqual(seen["chosen"], seen["told"])
        self.assertTrue(1 <= seen["told"][0] <= 65535, seen)


async def primary() -> None:
    """
    See what is told.
    """
    worker = cluster.fork()
    [which, address] = await happening(cluster, "listening")
    same(which, worker)
    saw("told", address.port)
    await cluster.disconnect()


async def worker() -> None:
    """
    Listen.
    """
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    saw("chosen", port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
