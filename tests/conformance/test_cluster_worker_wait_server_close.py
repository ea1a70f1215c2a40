"""
Node's C{test-cluster-worker-wait-server-close}: a worker with a client.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    ProgramTests,
    connect,
    later,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class WorkerWaitServerCloseTests(ProgramTests):
    """
    The test.
    """

    def test_waits(self) -> None:
        """
        It is not disconnected before the client has gone.
        """
        seen = self.perform()
        self.assertEqual(
            seen["order"],
            [
                "asked",
                "still connected",
                "client closes",
                "server closed",
                "disconnected",
            ],
        )
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Be the client.
    """
    worker = cluster.fork()
    address = await worker.whenListening()
    client = await connect(address.port)
    client.write(b"hello")
    await client.hear(5)
    saw("order", "asked")
    worker.disconnect()
    await later(0.5)
    saw("order", "still connected" if worker.isConnected() else "too early")
    saw("order", "client closes")
    client.close()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen, and tell of ends.
    """
    assert cluster.worker is not None
    cluster.worker.on("disconnect", lambda: saw("order", "disconnected"))

    def made(peer: EchoingPeer) -> None:
        peer.whenClosed().addCallback(lambda reason: saw("order", "server closed"))

    factory = serving(made, EchoingPeer)
    reactor().listenTCP(0, factory, interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
