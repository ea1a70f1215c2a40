"""
Node's C{test-child-process-fork-dgram}: a UDP port that primary and worker
have.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.protocol import DatagramProtocol

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    later,
    play,
    reactor,
    saw,
)

ADAPTED = (
    "Who receives is left to chance in Node's test; here the primary looks away when "
    "it has received something."
)


class ForkDgramTests(ProgramTests):
    """
    The test.
    """

    def test_both(self) -> None:
        """
        Both receive.
        """
        self.assertEqual(self.perform()["received"], [["child", "parent"]])


class Receiver(DatagramProtocol):
    """
    Tells of every datagram.
    """

    def __init__(self, tell: Callable[[], object]) -> None:
        self._tell = tell

    def datagramReceived(self, datagram: bytes, address: object) -> None:
        """
        Tell.
        """
        self._tell()


async def primary() -> None:
    """
    Send until both have received.
    """
    worker = cluster.fork()
    received: set[str] = set()
    port = reactor().listenUDP(
        0, Receiver(lambda: received.add("parent")), interface="127.0.0.1"
    )
    worker.on("message", lambda message, handle: received.add("child"))
    await worker.send("port", port)
    sender = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
    while len(received) < 2:
        sender.write(b"hello", ("127.0.0.1", port.getHost().port))
        if "parent" in received:
            port.stopReading()
        await later(0.01)
    saw("received", sorted(received))
    for mine in (port, sender):
        await mine.stopListening()
    await worker.ask("close")
    await cluster.disconnect()


async def worker() -> None:
    """
    Receive on what comes.
    """
    itself = cluster.worker
    assert itself is not None
    [_, handle] = await happening(itself, "message")
    port = handle.listen(Receiver(lambda: itself.send("received")))
    itself.answer(lambda question: port.stopListening())


if __name__ == "__main__":
    play(primary, worker)
