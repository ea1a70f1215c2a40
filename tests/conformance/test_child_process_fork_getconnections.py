"""
Node's C{test-child-process-fork-getconnections}: how many connections there
are.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import DeferredQueue

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    serving,
)

ADAPTED = (
    "What was given away is not counted by who gave it; who wants to know asks, with "
    "C{worker.ask}."
)


class ForkGetconnectionsTests(ProgramTests):
    """
    The test.
    """

    def test_counted(self) -> None:
        """
        The number follows the connections that a worker was given.
        """
        self.assertEqual(self.perform()["connections"], [0, 1, 2, 3, 2, 1, 0])


async def primary() -> None:
    """
    Give connections to a worker, and end them.
    """
    worker = cluster.fork()
    accepted: DeferredQueue[Peer] = DeferredQueue()
    port = reactor().listenTCP(0, serving(accepted.put), interface="127.0.0.1")
    saw("connections", await worker.ask("How many?"))
    clients = []
    for _ in range(3):
        clients.append(await connect(port.getHost().port))
        await worker.send("socket", (await accepted.get()).transport)
        saw("connections", await worker.ask("How many?"))
    for client in clients:
        gone = happening(worker, "message")
        client.close()
        await gone
        saw("connections", await worker.ask("How many?"))
    await port.stopListening()
    await cluster.disconnect()


async def worker() -> None:
    """
    Serve what comes, and count.
    """
    itself = cluster.worker
    assert itself is not None
    peers: set[Peer] = set()

    def received(message: object, handle: Any) -> None:
        peer = Peer()
        peers.add(peer)
        handle.serve(peer)
        peer.whenClosed().addCallback(lambda _: closed(peer))

    def closed(peer: Peer) -> None:
        peers.remove(peer)
        itself.send("closed")

    itself.on("message", received)
    itself.answer(lambda question: len(peers))


if __name__ == "__main__":
    play(primary, worker)
