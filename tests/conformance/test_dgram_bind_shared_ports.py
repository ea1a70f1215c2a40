"""
Node's C{test-dgram-bind-shared-ports}: UDP ports that are shared, beside one
that is not.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from tests.conformance.programs import ProgramTests, play, reactor
from tests.conformance.sharing import SHARING, listenOnAll, startOneByOne


class DgramBindSharedPortsTests(ProgramTests):
    """
    The test.
    """

    def test_exclusive(self) -> None:
        """
        Only what the first worker has for itself is refused to the second.
        """
        self.assertEqual(self.perform(), SHARING)


async def primary() -> None:
    """
    Start one worker after the other.
    """
    await startOneByOne(socket.SOCK_DGRAM)


async def worker() -> None:
    """
    Listen on ports that are shared, and on one that is not.
    """

    def listen(number: int) -> Any:
        return reactor().listenUDP(number, DatagramProtocol(), interface="127.0.0.1")

    listenOnAll(listen)


if __name__ == "__main__":
    play(primary, worker)
