"""
Node's C{test-dgram-bind-socket-close-before-cluster-reply}: a UDP port that
cannot be had, and is given up.
"""

from __future__ import annotations

import os

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
)
from tests.conformance.sockets import refusal

ADAPTED = (
    "C{listenUDP} waits for the primary's answer, so nothing can be closed before it."
)


class DgramBindSocketCloseBeforeClusterReplyTests(ProgramTests):
    """
    The test.
    """

    def test_givenUp(self) -> None:
        """
        The error is an exception, once; nothing else happens.
        """
        seen = self.perform()
        self.assertEqual(seen["refused"], ["EADDRINUSE"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Have the port oneself.
    """
    port = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    worker = cluster.fork({"PORT": str(port.getHost().port)})
    worker.on("listening", mustNotCall("listening"))
    await sawExit(worker)
    await port.stopListening()


async def worker() -> None:
    """
    Try to have it.
    """
    assert cluster.worker is not None
    number = int(os.environ["PORT"])
    protocol = DatagramProtocol()
    protocol.startProtocol = mustNotCall("startProtocol")  # type: ignore[method-assign]
    protocol.stopProtocol = mustNotCall("stopProtocol")  # type: ignore[method-assign]
    saw(
        "refused",
        refusal(reactor().listenUDP, number, protocol, interface="127.0.0.1"),
    )
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
