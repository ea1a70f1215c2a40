"""
Node's C{test-child-process-fork-closed-channel-segfault}: a worker ends while
many handles are on their way to it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import DeferredList

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)
from twisted_cluster.errors import ChannelClosed

MESSAGES = 300


class ForkClosedChannelSegfaultTests(ProgramTests):
    """
    The test.
    """

    def test_ends(self) -> None:
        """
        The primary goes on, and each message is delivered or fails.
        """
        seen = self.perform()
        self.assertEqual(seen["exit"], [[0, None]])
        self.assertEqual(seen["outcomes"], [MESSAGES])


async def primary() -> None:
    """
    Send many handles.
    """
    worker = cluster.fork()
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    await worker.whenOnline()
    sent = DeferredList(
        [worker.send("port", port) for _ in range(MESSAGES)], consumeErrors=True
    )
    await sawExit(worker)
    outcomes: list[tuple[bool, Any]] = await sent
    for succeeded, outcome in outcomes:
        if not succeeded:
            outcome.trap(ChannelClosed)
    saw("outcomes", len(outcomes))
    await port.stopListening()


async def worker() -> None:
    """
    End with the first one.
    """
    assert cluster.worker is not None
    cluster.worker.on("message", lambda message, handle: exitNow(0))


if __name__ == "__main__":
    play(primary, worker)
