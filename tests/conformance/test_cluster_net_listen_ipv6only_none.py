"""
Node's C{test-cluster-net-listen-ipv6only-none}: workers that accept themselves
share a port for IPv6 alone.
"""

from __future__ import annotations

import os
import socket

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, serving
from tests.conformance.sockets import freePort
from twisted_cluster.settings import SchedulingPolicy


class NetListenIPv6OnlyTests(ProgramTests):
    """
    The test.
    """

    def test_shared(self) -> None:
        """
        All workers listen on one address, which leaves IPv4's free.
        """
        if not socket.has_ipv6:
            self.skipTest("there is no IPv6 here")
        seen = self.perform()
        self.assertEqual(seen["address"], [[6, "::", True]] * 3)
        self.assertEqual(seen["free"], [True])


async def primary() -> None:
    """
    Start the workers, and listen beside them.
    """
    await sharePort(cluster.SCHED_NONE)


async def sharePort(policy: SchedulingPolicy) -> None:
    """
    Have workers share a port, and take the same one of IPv4.
    """
    cluster.schedulingPolicy = policy
    number = freePort(socket.AF_INET6)
    workers = [cluster.fork({"PORT": str(number)}) for _ in range(3)]
    for one in workers:
        address = await one.whenListening()
        saw("address", [address.addressType, address.address, address.port == number])
    port = reactor().listenTCP(number, serving(), interface="0.0.0.0")
    saw("free", port.getHost().port == number)
    await port.stopListening()
    await cluster.disconnect()


async def worker() -> None:
    """
    Listen.
    """
    assert cluster.worker is not None
    with cluster.worker.ipv6Only():
        reactor().listenTCP(int(os.environ["PORT"]), serving(), interface="::")


if __name__ == "__main__":
    play(primary, worker)
