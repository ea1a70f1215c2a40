"""
Node's C{test-dgram-cluster-close-during-bind}: a UDP port that is closed while
it is opened.
"""

from __future__ import annotations

import os

from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, sawExit

ADAPTED = (
    "It is closed while its protocol is started, before C{listenUDP} returns: there "
    "is no earlier moment."
)


class DgramClusterCloseDuringBindTests(ProgramTests):
    """
    The test.
    """

    def test_closed(self) -> None:
        """
        Its descriptor is closed, and the worker ends.
        """
        seen = self.perform()
        self.assertEqual(seen["left open"], [0])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Wait for the worker's end.
    """
    await sawExit(cluster.fork())


class Closing(DatagramProtocol):
    """
    Closes its port as soon as it has one.
    """

    def startProtocol(self) -> None:
        """
        Close.
        """
        assert self.transport is not None
        self.closed = maybeDeferred(self.transport.stopListening)


async def worker() -> None:
    """
    Open and close.
    """
    assert cluster.worker is not None
    before = len(os.listdir("/proc/self/fd"))
    protocol = Closing()
    reactor().listenUDP(0, protocol, interface="127.0.0.1")
    await protocol.closed
    saw("left open", len(os.listdir("/proc/self/fd")) - before)
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
