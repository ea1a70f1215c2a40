"""
Node's C{test-dgram-cluster-bind-error}: the primary cannot bind a UDP port.
"""

from __future__ import annotations

import os

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, sawExit
from tests.conformance.sockets import refusal

ADAPTED = (
    "C{listenUDP} raises the error, so that there is no port that could be closed; "
    "its protocol was not started, and can have another port."
)


class DgramClusterBindErrorTests(ProgramTests):
    """
    The test.
    """

    def test_error(self) -> None:
        """
        The worker gets the kernel's error, its protocol was never started, and
        it can use it for another port.
        """
        seen = self.perform()
        self.assertEqual(seen["refused"], ["EADDRINUSE"])
        self.assertEqual(seen["transport"], [True])
        self.assertEqual(seen["other port"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Have the port oneself.
    """
    port = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    worker = cluster.fork({"PORT": str(port.getHost().port)})
    await sawExit(worker)
    await port.stopListening()


async def worker() -> None:
    """
    Try to have it.
    """
    assert cluster.worker is not None
    number = int(os.environ["PORT"])
    protocol = DatagramProtocol()
    listen = reactor().listenUDP
    saw("refused", refusal(listen, number, protocol, interface="127.0.0.1"))
    saw("transport", protocol.transport is None)
    port = listen(0, protocol, interface="127.0.0.1")
    saw("other port", port.getHost().port != number)
    await port.stopListening()
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
