"""
Node's C{test-cluster-child-index-net}: a worker opens TCP ports, closes them, and
opens others.
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


class ChildIndexNetTests(ProgramTests):
    """
    The test.
    """

    def test_openAgain(self) -> None:
        """
        All four can be opened.
        """
        self.assertEqual(self.perform(), {"opened": [4], "exit": [[0, None]]})


async def primary() -> None:
    """
    Start the worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Open two ports, close each, and open another in its place.
    """
    assert cluster.worker is not None
    ports = [reactor().listenTCP(0, serving(), interface="127.0.0.1") for _ in range(2)]
    opened = [port.getHost().port for port in ports]
    for port in ports:
        closing = port.stopListening()
        again = reactor().listenTCP(0, serving(), interface="127.0.0.1")
        opened.append(again.getHost().port)
        await closing
    saw("opened", len(list(filter(None, opened))))
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
