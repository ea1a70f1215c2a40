"""
Node's C{test-dgram-exclusive-implicit-bind}: workers that only send have ports
of their own.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw

ADAPTED = (
    "Twisted has no UDP port that is not bound; who only sends asks for a port of the "
    "worker's own."
)


class DgramExclusiveImplicitBindTests(ProgramTests):
    """
    The test.
    """

    def test_threeSources(self) -> None:
        """
        Two workers that share a port, and two that do not, have three.
        """
        self.assertEqual(self.perform()["sources"], [3])


class Sources(DatagramProtocol):
    """
    Remembers who has sent something.
    """

    def __init__(self) -> None:
        self.workers: dict[bytes, Any] = {}
        self.all: Deferred[None] = Deferred()

    def datagramReceived(self, datagram: bytes, address: Any) -> None:
        """
        Remember.
        """
        self.workers[datagram] = address
        if len(self.workers) == 4 and not self.all.called:
            self.all.callback(None)


async def primary() -> None:
    """
    Receive from four workers.
    """
    sources = Sources()
    port = reactor().listenUDP(0, sources, interface="127.0.0.1")
    variables = {"PORT": str(port.getHost().port)}
    for shared in ("shared", "shared", "", ""):
        cluster.fork({**variables, "SHARED": shared})
    await sources.all
    saw("sources", len(set(sources.workers.values())))
    await port.stopListening()
    await cluster.disconnect()


async def worker() -> None:
    """
    Send.
    """
    itself = cluster.worker
    assert itself is not None
    protocol = DatagramProtocol()
    if os.environ["SHARED"]:
        reactor().listenUDP(0, protocol, interface="127.0.0.1")
    else:
        with itself.exclusive():
            port = reactor().listenUDP(0, protocol, interface="127.0.0.1")
        itself.on("disconnect", port.stopListening)
    assert protocol.transport is not None
    protocol.transport.write(b"%d" % itself.id, ("127.0.0.1", int(os.environ["PORT"])))


if __name__ == "__main__":
    play(primary, worker)
