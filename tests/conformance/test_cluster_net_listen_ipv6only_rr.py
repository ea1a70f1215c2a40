"""
Node's C{test-cluster-net-listen-ipv6only-rr}: workers take turns on a port for
IPv6 alone.
"""

from __future__ import annotations

import socket

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play
from tests.conformance.test_cluster_net_listen_ipv6only_none import sharePort, worker


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
    await sharePort(cluster.SCHED_RR)


if __name__ == "__main__":
    play(primary, worker)
