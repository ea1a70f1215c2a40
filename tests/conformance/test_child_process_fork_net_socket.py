"""
Node's C{test-child-process-fork-net-socket}: a connection that is given to a
worker.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    Peer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)


class ForkNetSocketTests(ProgramTests):
    """
    The test.
    """

    def test_served(self) -> None:
        """
        The worker serves it, and knows when it ends.
        """
        seen = self.perform()
        self.assertEqual(seen["heard"], ["echo"])
        self.assertEqual(seen["closed"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Give away what connects.
    """
    worker = cluster.fork()
    accepted: Deferred[Peer] = Deferred()
    port = reactor().listenTCP(0, serving(accepted.callback), interface="127.0.0.1")
    client = await connect(port.getHost().port)
    peer = await accepted
    closed = happening(worker, "message")
    await worker.send("socket", peer.transport)
    await port.stopListening()
    client.write(b"echo")
    saw("heard", (await client.hear(4)).decode())
    client.close()
    await closed
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Serve what comes.
    """
    itself = cluster.worker
    assert itself is not None
    [message, handle] = await happening(itself, "message")
    same(message, "socket")
    peer = EchoingPeer()
    handle.serve(peer)
    await peer.whenClosed()
    saw("closed", True)
    itself.send("closed")


if __name__ == "__main__":
    play(primary, worker)
