"""
Node's C{test-cluster-child-index-dgram}: a worker opens UDP ports, closes them,
and opens others.
"""

from __future__ import annotations

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    nextTurn,
    play,
    reactor,
    saw,
    sawExit,
)


class ChildIndexDgramTests(ProgramTests):
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
    ports = [reactor().listenUDP(0, DatagramProtocol()) for _ in range(2)]
    opened = [port.getHost().port for port in ports]
    for port in ports:
        await nextTurn()
        closing = port.stopListening()
        opened.append(reactor().listenUDP(0, DatagramProtocol()).getHost().port)
        await closing
    saw("opened", len(list(filter(None, opened))))
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
