"""
Node's C{test-cluster-disconnect}: a cluster that serves is disconnected, and one
more in the same process.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    ProgramTests,
    connect,
    mustCall,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

WORKERS, PORTS = 8, 2


class DisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_disconnectTwice(self) -> None:
        """
        All workers have the same ports, and serve them; when the cluster is
        disconnected they have ended, the ports are closed, and new workers get
        new ones.
        """
        seen = self.perform()
        self.assertEqual(seen["ports"], [PORTS, PORTS])
        self.assertEqual(seen["callback"], [{}, {}])
        self.assertEqual(len(seen["closed"]), PORTS * 2)
        self.assertEqual(seen["exit"], [[0, None]] * WORKERS * 2)


async def primary() -> None:
    """
    Do it twice.
    """
    for _ in range(2):
        await serveAndDisconnect()


async def serveAndDisconnect() -> None:
    """
    Start workers, use their ports, disconnect.
    """
    listening: Deferred[None] = Deferred()
    numbers = []

    def heard(worker: object, address: Any) -> None:
        same(address.address, "127.0.0.1")
        numbers.append(address.port)
        if len(numbers) == WORKERS * PORTS:
            listening.callback(None)

    heard = mustCall(heard, WORKERS * PORTS)
    cluster.on("listening", heard)
    workers = [cluster.fork() for _ in range(WORKERS)]
    await listening
    cluster.off("listening", heard)
    saw("ports", len(set(numbers)))
    same(sorted(numbers), sorted(list(set(numbers)) * WORKERS))
    for number in set(numbers):
        client = await connect(number)
        client.write(b"echo")
        same(await client.hear(4), b"echo")
        client.close()
        await client.whenClosed()
    await cluster.disconnect(mustCall(lambda: saw("callback", dict(cluster.workers))))
    for worker in workers:
        await sawExit(worker)
    for number in set(numbers):
        try:
            await connect(number)
        except ConnectError:
            saw("closed")


async def worker() -> None:
    """
    Listen.
    """
    for _ in range(PORTS):
        reactor().listenTCP(0, serving(kind=EchoingPeer), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
