"""
Node's C{test-child-process-recv-handle}: three messages in one piece, one with
a handle.
"""

from __future__ import annotations

from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, serving


class RecvHandleTests(ProgramTests):
    """
    The test.
    """

    def test_belongs(self) -> None:
        """
        The handle is with the message that it was sent with.
        """
        seen = self.perform()
        self.assertEqual(
            seen["message"], [["one", False], ["two", True], ["three", False]]
        )


async def primary() -> None:
    """
    Send all three in one turn.
    """
    worker = cluster.fork()
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    sent = [
        worker.send("one"),
        worker.send("two", port),
        worker.send("three"),
    ]
    for sending in sent:
        await sending
    await port.stopListening()
    await cluster.disconnect()


async def worker() -> None:
    """
    Receive.
    """
    assert cluster.worker is not None

    def received(message: object, handle: Any) -> None:
        saw("message", [message, handle is not None])
        if handle is not None:
            handle.close()

    cluster.worker.on("message", received)


if __name__ == "__main__":
    play(primary, worker)
