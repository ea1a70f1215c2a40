"""
Node's C{test-net-server-drop-connections}: who dropped which connection.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.protocol import Protocol
from twisted.protocols.policies import LimitTotalConnectionsFactory

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    same,
    saw,
)

ADAPTED = (
    "Dropping is Twisted's own: "
    "C{twisted.protocols.policies.LimitTotalConnectionsFactory}, whose protocol for "
    "what is too much takes the place of the event."
)


class NetServerDropConnectionsTests(ProgramTests):
    """
    The test.
    """

    def test_addresses(self) -> None:
        """
        The second of two connections is dropped, and both its ends are known.
        """
        seen = self.perform()
        self.assertEqual(seen["dropped"], seen["second"])


async def primary() -> None:
    """
    Connect twice.
    """
    worker = cluster.fork()
    [number, _] = await happening(worker, "message")
    first = await connect(number)
    same(await first.hear(2), b"hi")
    second = await connect(number)
    transport: Any = second.transport
    host, peer = transport.getHost(), transport.getPeer()
    saw("second", [peer.host, peer.port, host.host, host.port])
    await second.whenClosed()
    first.close()
    await cluster.disconnect()


class Dropping(Protocol):
    """
    What is too much.
    """

    def connectionMade(self) -> None:
        """
        Drop it.
        """
        transport: Any = self.transport
        host, peer = transport.getHost(), transport.getPeer()
        saw("dropped", [host.host, host.port, peer.host, peer.port])
        transport.loseConnection()


async def worker() -> None:
    """
    Serve one client.
    """
    itself = cluster.worker
    assert itself is not None
    limited: Any = LimitTotalConnectionsFactory()
    limited.noisy = False
    limited.protocol = partial(Peer, lambda peer: peer.write(b"hi"))
    limited.connectionLimit = 1
    limited.overflowProtocol = Dropping
    port = reactor().listenTCP(0, limited, interface="127.0.0.1")
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
