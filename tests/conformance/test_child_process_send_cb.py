"""
Node's C{test-child-process-send-cb}: the sender learns of the delivery.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, happening, play, same, saw

ADAPTED = (
    "The Deferred that C{send} returns takes the place of the callback, and fires on "
    "delivery, where Node's is called when the kernel has the bytes."
)


class SendCbTests(ProgramTests):
    """
    The test.
    """

    def test_delivered(self) -> None:
        """
        The Deferred fires with nothing, when the other program has the message.
        """
        self.assertEqual(self.perform()["delivered"], [[None, True]])


async def primary() -> None:
    """
    Wait for the worker's message.
    """
    worker = cluster.fork()
    [message, _] = await happening(worker, "message")
    same(message, "ok")
    worker.disconnect()
    await worker.whenExited()


async def worker() -> None:
    """
    Send.
    """
    itself = cluster.worker
    assert itself is not None
    sent: Deferred[Any] = itself.send("ok")
    atOnce = sent.called
    saw("delivered", [await sent, not atOnce])


if __name__ == "__main__":
    play(primary, worker)
