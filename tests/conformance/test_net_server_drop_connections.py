"""
Node's C{test-net-server-drop-connections}: who dropped which connection.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IListeningPort

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    same,
    saw,
    serving,
)


class NetServerDropConnectionsTests(ProgramTests):
    """
    The test.
    """

    def test_addresses(self) -> None:
        """
        The second of two connections is dropped, and both its ends are told.
        """
        seen = self.perform()
        self.assertEqual(seen["dropped"], seen["second"])

    def test_addressesOfAcceptors(self) -> None:
        """
        So it is where the workers accept themselves.
        """
        seen = self.perform(environment={"TWISTED_CLUSTER_SCHED_POLICY": "none"})
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
    saw("second", [host.type, peer.host, peer.port, host.host, host.port])
    await second.whenClosed()
    first.close()
    await cluster.disconnect()


async def worker() -> None:
    """
    Serve one client.
    """
    itself = cluster.worker
    assert itself is not None

    def dropped(at: IListeningPort, host: Any, peer: Any) -> None:
        same(at, port)
        saw("dropped", [host.type, host.host, host.port, peer.host, peer.port])

    itself.on("drop", dropped)
    port = reactor().listenTCP(
        0, serving(lambda peer: peer.write(b"hi")), interface="127.0.0.1"
    )
    itself.limitConnections(port, 1, drop=True)
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
