"""
Node's C{test-cluster-disconnect-race}: two workers are disconnected, one of which
is about to listen.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    sawExit,
    serving,
)


class DisconnectRaceTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        Both end in order.
        """
        self.assertEqual(self.perform(), {"exit": [[0, None]] * 2})


async def primary() -> None:
    """
    Disconnect one worker that listens, and one as soon as it is there.
    """
    cluster.schedulingPolicy = cluster.SCHED_NONE
    first = cluster.fork()
    await first.whenListening()
    second = cluster.fork()
    first.disconnect()
    await happening(second, "online")
    second.disconnect()
    await sawExit(first)
    await sawExit(second)


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
