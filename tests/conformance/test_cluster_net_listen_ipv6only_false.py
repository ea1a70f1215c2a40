"""
Node's C{test-cluster-net-listen-ipv6only-false}: every address of both
families.
"""

from __future__ import annotations

import socket
from unittest import SkipTest

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    play,
    reactor,
    saw,
    serving,
)


class NetListenIpv6onlyFalseTests(ProgramTests):
    """
    The test.
    """

    def test_both(self) -> None:
        """
        What three workers listen on as C{::} is one port, for IPv4 too.
        """
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(("::", 0))
        except OSError:
            raise SkipTest("there is no IPv6 here") from None
        seen = self.perform()
        addresses = seen["listening"]
        self.assertEqual(addresses, addresses[:1] * 3)
        self.assertEqual(addresses[0][:2], ["::", 6])
        self.assertEqual(seen["connected"], [True])


async def primary() -> None:
    """
    Connect by IPv4.
    """
    addresses = [await cluster.fork().whenListening() for _ in range(3)]
    for each in addresses:
        saw("listening", [each.address, each.addressType, each.port])
    client = await connect(addresses[0].port)
    saw("connected", await client.hear(5) == b"hello")
    await client.whenClosed()
    await cluster.disconnect()


async def worker() -> None:
    """
    Listen everywhere.
    """

    def greet(peer: Peer) -> None:
        peer.write(b"hello")
        peer.close()

    reactor().listenTCP(0, serving(greet), interface="::")


if __name__ == "__main__":
    play(primary, worker)
