"""
Node's C{test-cluster-net-send}: a connection that a worker gives to the
primary.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = "The child is a worker."


class NetSendTests(ProgramTests):
    """
    The test.
    """

    def test_send(self) -> None:
        """
        The primary reads from it what the client sends, and that it ends.
        """
        seen = self.perform()
        self.assertEqual(seen["message"], ["handle"])
        self.assertEqual(seen["read"], ["hello"])
        self.assertEqual(seen["ended"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Serve the connection that comes.
    """
    worker = cluster.fork()
    message, connection = await happening(worker, "message")
    saw("message", message)
    peer = Peer()
    connection.serve(peer)
    await worker.send("got")
    await peer.whenClosed()
    saw("read", peer.received.decode())
    saw("ended", True)
    await sawExit(worker)


async def worker() -> None:
    """
    Be client and server of one connection, and give the server's end away.
    """
    itself = cluster.worker
    assert itself is not None
    accepted: Deferred[Peer] = Deferred()
    factory = serving(accepted.callback)
    port = reactor().listenTCP(0, factory, interface="127.0.0.1")
    client = await connect(port.getHost().port)
    sent = itself.send("handle", (await accepted).transport)
    await happening(itself, "message")
    await sent
    client.write(b"hello")
    client.close()
    await client.whenClosed()
    await itself.disconnect()


if __name__ == "__main__":
    play(primary, worker)
