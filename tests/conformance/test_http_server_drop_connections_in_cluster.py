"""
Node's C{test-http-server-drop-connections-in-cluster}: a web server that wants
no connection at all.
"""

from __future__ import annotations

from typing import Any

from twisted.web.http import HTTPFactory

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
)


class HttpServerDropConnectionsInClusterTests(ProgramTests):
    """
    The test.
    """

    def test_dropped(self) -> None:
        """
        The connection is dropped in the worker, and does not go round for ever.
        """
        seen = self.perform()
        self.assertEqual(seen["dropped"], [True])
        self.assertEqual(seen["heard"], [""])


async def primary() -> None:
    """
    Connect once.
    """
    worker = cluster.fork()
    [number, _] = await happening(worker, "message")
    client = await connect(number)
    await client.whenClosed()
    saw("heard", client.received.decode())
    await cluster.disconnect()


async def worker() -> None:
    """
    Serve nobody.
    """
    itself = cluster.worker
    assert itself is not None
    itself.on("drop", lambda *what: saw("dropped", True))
    site: Any = HTTPFactory()
    port = reactor().listenTCP(0, site, interface="127.0.0.1")
    itself.limitConnections(port, 0, drop=True)
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
