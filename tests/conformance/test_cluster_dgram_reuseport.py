"""
Node's C{test-cluster-dgram-reuseport}: one worker binds a UDP port twice, with
C{reusePort}.
"""

from __future__ import annotations

import socket

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
)

ADAPTED = (
    "Twisted says it with C{listenMulticast} and C{listenMultiple}, which sets "
    "C{SO_REUSEPORT}."
)


class DgramReusePortTests(ProgramTests):
    """
    The test.
    """

    def test_ownPorts(self) -> None:
        """
        Both can be had, with the option, and the primary is not asked: nobody
        hears that the worker listens.
        """
        self.assertEqual(
            self.perform(), {"option": [1, 1], "same": [True], "exit": [[0, None]]}
        )


async def primary() -> None:
    """
    Start the worker.
    """
    cluster.on("listening", mustNotCall("listening"))
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Bind twice.
    """
    assert cluster.worker is not None
    first = reactor().listenMulticast(0, DatagramProtocol(), listenMultiple=True)
    number = first.getHost().port
    second = reactor().listenMulticast(number, DatagramProtocol(), listenMultiple=True)
    for port in (first, second):
        saw("option", port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))
    saw("same", second.getHost().port == number)
    await first.stopListening()
    await second.stopListening()
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
