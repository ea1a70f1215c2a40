"""
Node's C{test-child-process-fork-net}: connections that are given to several
workers.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import DeferredQueue

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    play,
    reactor,
    saw,
    serving,
)

ADAPTED = "A port does not wait, when it closes, for connections that were given away."


class ForkNetTests(ProgramTests):
    """
    The test.
    """

    def test_served(self) -> None:
        """
        All are served by whoever was given them, and end when their workers do.
        """
        seen = self.perform()
        self.assertEqual(sorted(seen["served by"]), [1] * 4 + [2] * 4 + [3] * 4)
        self.assertEqual(seen["closed"], [12])


async def primary() -> None:
    """
    Give away what connects, in turns.
    """
    workers = [cluster.fork() for _ in range(3)]
    accepted: DeferredQueue[Peer] = DeferredQueue()
    port = reactor().listenTCP(0, serving(accepted.put), interface="127.0.0.1")
    clients = []
    for number in range(12):
        clients.append(await connect(port.getHost().port))
        peer = await accepted.get()
        await workers[number % 3].send("socket", peer.transport)
        await peer.whenClosed()
    await port.stopListening()
    for client in clients:
        saw("served by", int(await client.hear(1)))
    for one in workers:
        one.send("close")
    for client in clients:
        await client.whenClosed()
    saw("closed", len(clients))
    await cluster.disconnect()


async def worker() -> None:
    """
    Serve what comes.
    """
    itself = cluster.worker
    assert itself is not None
    peers: list[Peer] = []

    def serve(peer: Peer) -> None:
        peers.append(peer)
        peer.write(b"%d" % itself.id)

    def received(message: object, handle: Any) -> None:
        if handle is not None:
            handle.serve(Peer(serve))
            return
        for peer in peers:
            peer.close()

    itself.on("message", received)


if __name__ == "__main__":
    play(primary, worker)
