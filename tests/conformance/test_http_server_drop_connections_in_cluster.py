"""
Node's C{test-http-server-drop-connections-in-cluster}: a web server that wants
no connection at all.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol
from twisted.protocols.policies import LimitTotalConnectionsFactory
from twisted.web.http import HTTPChannel

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
)

ADAPTED = (
    "Dropping is Twisted's own: "
    "C{twisted.protocols.policies.LimitTotalConnectionsFactory}, whose protocol for "
    "what is too much takes the place of the event."
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


class Dropping(Protocol):
    """
    What is too much.
    """

    def connectionMade(self) -> None:
        """
        Drop it.
        """
        saw("dropped", True)
        assert self.transport is not None
        self.transport.loseConnection()


async def worker() -> None:
    """
    Serve nobody.
    """
    itself = cluster.worker
    assert itself is not None
    limited: Any = LimitTotalConnectionsFactory()
    limited.noisy = False
    limited.protocol = HTTPChannel
    limited.connectionLimit = 0
    limited.overflowProtocol = Dropping
    port = reactor().listenTCP(0, limited, interface="127.0.0.1")
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
