"""
Node's C{test-child-process-ipc-next-tick}: handlers that raise.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, saw, tolerate


class IpcNextTickTests(ProgramTests):
    """
    The test.
    """

    def test_noneLost(self) -> None:
        """
        No message is lost by it.
        """
        self.assertEqual(self.perform()["message"], list(range(10)))


async def primary() -> None:
    """
    Raise, for each message.
    """
    tolerate(ZeroDivisionError)
    worker = cluster.fork()
    all = Deferred[None]()

    def received(message: Any, handle: object) -> None:
        saw("message", message)
        if message == 9:
            all.callback(None)
        raise ZeroDivisionError

    worker.on("message", received)
    await all
    await cluster.disconnect()


async def worker() -> None:
    """
    Send.
    """
    assert cluster.worker is not None
    for number in range(10):
        cluster.worker.send(number)


if __name__ == "__main__":
    play(primary, worker)
