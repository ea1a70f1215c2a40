"""
Node's C{test-cluster-send-handle-twice}: one connection, sent twice.
"""

from __future__ import annotations

from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    mustCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class SendHandleTwiceTests(ProgramTests):
    """
    The test.
    """

    def test_twice(self) -> None:
        """
        Both messages arrive, the first with the connection, which closes once.
        """
        seen = self.perform()
        self.assertEqual(seen["message"], [["reply", True], ["reply", False]])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Connect to the worker, and close what it sends.
    """
    worker = cluster.fork()

    def received(message: object, handle: Any) -> None:
        saw("message", [message, handle is not None])
        if handle is not None:
            handle.close()

    worker.on("message", mustCall(received, times=2))
    address = await worker.whenListening()
    client = await connect(address.port)
    await client.whenClosed()
    await worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Send each connection twice.
    """
    itself = cluster.worker
    assert itself is not None

    def sendTwice(peer: Peer) -> None:
        itself.send("reply", peer.transport)
        itself.send("reply", peer.transport)

    reactor().listenTCP(0, serving(sendTwice), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
