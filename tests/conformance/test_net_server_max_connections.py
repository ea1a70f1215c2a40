"""
Node's C{test-net-server-max-connections}: as many connections as a server
wants, and more.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    serving,
)

CLIENTS = 20
LIMIT = 10


class NetServerMaxConnectionsTests(ProgramTests):
    """
    The test.
    """

    def test_firstServed(self) -> None:
        """
        The first are served, the others are closed.
        """
        seen = self.perform()
        self.assertEqual(seen["served"], [True] * LIMIT + [False] * LIMIT)


async def primary() -> None:
    """
    Connect often.
    """
    worker = cluster.fork()
    [number, _] = await happening(worker, "message")
    clients = []
    for _ in range(CLIENTS):
        client = await connect(number)
        clients.append(client)
        try:
            saw("served", await client.hear(2) == b"hi")
        except ConnectionDone:
            saw("served", False)
    for client in clients:
        client.close()
    await cluster.disconnect()


async def worker() -> None:
    """
    Serve some.
    """
    itself = cluster.worker
    assert itself is not None
    port = reactor().listenTCP(
        0, serving(lambda peer: peer.write(b"hi")), interface="127.0.0.1"
    )
    itself.limitConnections(port, LIMIT, drop=True)
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
