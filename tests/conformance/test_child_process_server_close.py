"""
Node's C{test-child-process-server-close}: a connection becomes the output of
another process.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.protocol import ProcessProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connectUNIX,
    play,
    reactor,
    saw,
    serving,
)


class ServerCloseTests(ProgramTests):
    """
    The test.
    """

    def test_heard(self) -> None:
        """
        The client hears it, and the port closes.
        """
        self.assertEqual(self.perform()["heard"], ["hello"])


async def primary() -> None:
    """
    Connect.
    """
    worker = cluster.fork()
    await worker.whenListening()
    client = await connectUNIX("socket")
    await client.whenClosed()
    saw("heard", client.received.decode())
    await cluster.disconnect()


async def worker() -> None:
    """
    Start a process for each client.
    """

    def serve(peer: Peer) -> None:
        transport: Any = peer.transport
        process = ProcessProtocol()
        process.processExited = (  # type: ignore[method-assign]
            lambda reason: transport.loseConnection()
        )
        reactor().spawnProcess(
            process,
            sys.executable,
            [sys.executable, "-c", "print('hello', end='')"],
            childFDs={0: 0, 1: transport.fileno(), 2: 2},
        )

    reactor().listenUNIX("socket", serving(serve))


if __name__ == "__main__":
    play(primary, worker)
