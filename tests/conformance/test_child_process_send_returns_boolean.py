"""
Node's C{test-child-process-send-returns-boolean}: how a sender learns that it
is too fast.
"""

from __future__ import annotations

from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, serving

ADAPTED = (
    "There is no boolean. Whoever wants to keep step waits for the Deferreds, which "
    "are in order."
)


class SendReturnsBooleanTests(ProgramTests):
    """
    The test.
    """

    def test_inOrder(self) -> None:
        """
        Deferreds of messages, with handles and without, fire in order, and none before the worker receives.
        """
        seen = self.perform()
        self.assertEqual(seen["early"], [0])
        self.assertEqual(seen["delivered"], ["plain", "handle", "first", "second"])


async def primary() -> None:
    """
    Send, with and without a handle, before the worker receives.
    """
    worker = cluster.fork()
    await worker.whenListening()
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    delivered: list[str] = []
    sent = []
    for name in ("plain", "handle", "first", "second"):
        sending = worker.send(name, port if name == "handle" else None)
        sending.addCallback(lambda _, name: delivered.append(name), name)
        sent.append(sending)
    await worker.ask("receive now")
    saw("early", len(delivered))
    for sending in sent:
        await sending
    for name in delivered:
        saw("delivered", name)
    await port.stopListening()
    await cluster.disconnect()


async def worker() -> None:
    """
    Receive when asked to.
    """
    itself = cluster.worker
    assert itself is not None

    def receive(message: object, handle: Any) -> None:
        if handle is not None:
            handle.close()

    def soon(question: object) -> None:
        reactor().callLater(0.2, itself.on, "message", receive)

    itself.answer(soon)
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
