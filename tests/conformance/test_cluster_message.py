"""
Node's C{test-cluster-message}: messages both ways, and a connection beside
them.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class MessageTests(ProgramTests):
    """
    The test.
    """

    def test_message(self) -> None:
        """
        What a worker sends reaches the observers of the worker and of the cluster;
        what is sent to it, and over a connection, reaches its program.
        """
        seen = self.perform()
        self.assertEqual(seen["worker"], ["connected", "message from primary"])
        self.assertEqual(
            seen["cluster"], [[1, "connected"], [1, "message from primary"]]
        )
        self.assertEqual(seen["client"], ["message from client"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Talk to the worker in both ways.
    """
    worker = cluster.fork()
    worker.on("message", lambda message, handle: saw("worker", message))
    cluster.on("message", lambda which, message, _: saw("cluster", [which.id, message]))
    address = await worker.whenListening()
    greeted = happening(worker, "message")
    client = await connect(address.port)
    await greeted
    client.write(b"message from client")
    saw("client", (await client.hear(len(b"message from client"))).decode())
    answered = happening(worker, "message")
    await worker.send("message from primary")
    await answered
    client.close()
    await worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Send back what comes, from wherever it comes.
    """
    itself = cluster.worker
    assert itself is not None
    itself.on("message", lambda message, handle: itself.send(message))
    factory = serving(lambda peer: itself.send("connected"), EchoingPeer)
    reactor().listenTCP(0, factory, interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
