"""
Node's C{test-cluster-worker-events}: messages to a worker.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    play,
    saw,
    sawExit,
)
from twisted_cluster.errors import ChannelClosed

ADAPTED = (
    "A Twisted process has no events of its own, so both observers are the worker's, "
    "and there is no C{error} to pass on."
)


class WorkerEventsTests(ProgramTests):
    """
    The test.
    """

    def test_message(self) -> None:
        """
        Every observer is given what was sent, and the sender knows.
        """
        seen = self.perform()
        self.assertEqual(seen["message"], ["some message", "some message"])
        self.assertEqual(seen["delivered"], [True])
        self.assertEqual(seen["exit"], [[2, None]])


async def primary() -> None:
    """
    Send a message, and have the worker end.
    """
    worker = cluster.fork()
    await worker.send("some message")
    saw("delivered", True)
    worker.send("exit").addErrback(lambda failure: failure.trap(ChannelClosed))
    await sawExit(worker)


async def worker() -> None:
    """
    Observe messages twice.
    """
    assert cluster.worker is not None

    def received(message: object, handle: object) -> None:
        if message == "exit":
            exitNow(2)
        saw("message", message)

    def receivedToo(message: object, handle: object) -> None:
        saw("message", message)

    cluster.worker.on("message", received)
    cluster.worker.on("message", receivedToo)


if __name__ == "__main__":
    play(primary, worker)
