"""
Node's C{test-dgram-bind-shared-ports}: UDP ports that are shared, beside one
that is not.
"""

from __future__ import annotations

import os
import socket

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    saw,
    sawExit,
)
from tests.conformance.sockets import freePorts, refusal


class DgramBindSharedPortsTests(ProgramTests):
    """
    The test.
    """

    def test_exclusive(self) -> None:
        """
        Only what the first worker has for itself is refused to the second.
        """
        seen = self.perform()
        self.assertEqual(seen["listened"], [["", "", ""], ["", "", "EADDRINUSE"]])
        self.assertEqual(seen["exit"], [[0, None]] * 2)


async def primary() -> None:
    """
    Start one worker after the other.
    """
    shared, exclusive = freePorts(2, socket.SOCK_DGRAM)
    variables = {"SHARED": str(shared), "EXCLUSIVE": str(exclusive)}
    workers = []
    for _ in range(2):
        workers.append(cluster.fork(variables))
        await happening(workers[-1], "message")
    for one in workers:
        one.disconnect()
        await sawExit(one)


async def worker() -> None:
    """
    Listen on ports that are shared, and on one that is not.
    """
    itself = cluster.worker
    assert itself is not None
    shared, exclusive = int(os.environ["SHARED"]), int(os.environ["EXCLUSIVE"])
    refusals = [
        refusal(reactor().listenUDP, 0, DatagramProtocol(), interface="127.0.0.1"),
        refusal(reactor().listenUDP, shared, DatagramProtocol(), interface="127.0.0.1"),
    ]
    with itself.exclusive():
        refusals.append(refusal(listenOnOwn, exclusive))
    saw("listened", refusals)
    itself.send("done")


def listenOnOwn(number: int) -> None:
    """
    Listen on a port that nobody else closes: it has to be closed for the worker
    to end.
    """
    port = reactor().listenUDP(number, DatagramProtocol(), interface="127.0.0.1")
    assert cluster.worker is not None
    cluster.worker.on("disconnect", port.stopListening)


if __name__ == "__main__":
    play(primary, worker)
