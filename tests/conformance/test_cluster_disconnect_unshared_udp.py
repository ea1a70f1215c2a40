"""
Node's C{test-cluster-disconnect-unshared-udp}: a worker without a port disconnects
while another has one.
"""

from __future__ import annotations

import os

from twisted.internet.protocol import DatagramProtocol

from tests.conformance.programs import ProgramTests, play, reactor
from tests.conformance.test_cluster_disconnect_unshared_tcp import primary


class DisconnectUnsharedUDPTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        Both end, and so does the cluster.
        """
        self.assertEqual(self.perform(), {"exit": [[0, None]] * 2})


async def worker() -> None:
    """
    Perhaps listen.
    """
    if "BOUND" in os.environ:
        reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
