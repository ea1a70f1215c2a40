"""
Node's C{test-cluster-dgram-2}: workers send datagrams to the primary, from ports
that they share.
"""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    reactor,
    same,
    sawExit,
)

ENOUGH = 40


class Dgram2Tests(ProgramTests):
    """
    The test.
    """

    def test_send(self) -> None:
        """
        The primary receives them, and the workers stop when they are
        disconnected.
        """
        seen = self.perform()
        self.assertEqual(seen["exit"], [[0, None]] * 4)


class Receiver(DatagramProtocol):
    """
    Tells when there were enough.
    """

    def __init__(self) -> None:
        self.count = 0
        self.enough: Deferred[None] = Deferred()

    def datagramReceived(self, datagram: bytes, address: object) -> None:
        """
        Count.
        """
        same(datagram, b"hello world")
        self.count += 1
        if self.count == ENOUGH:
            self.enough.callback(None)


async def primary() -> None:
    """
    Receive.
    """
    receiver = Receiver()
    port = reactor().listenUDP(0, receiver, interface="127.0.0.1")
    variables = {"PORT": str(port.getHost().port)}
    workers = [cluster.fork(variables) for _ in range(4)]
    await receiver.enough
    await port.stopListening()
    await cluster.disconnect()
    for worker in workers:
        await sawExit(worker)


async def worker() -> None:
    """
    Send until disconnected.
    """
    assert cluster.worker is not None
    receiver = "127.0.0.1", int(os.environ["PORT"])
    port = reactor().listenUDP(0, DatagramProtocol(), interface="127.0.0.1")

    def send() -> None:
        if port.connected:
            port.write(b"hello world", receiver)

    sending = LoopingCall(send)
    sending.clock = reactor()
    sending.start(0.001)
    cluster.worker.on("disconnect", mustCall(sending.stop))


if __name__ == "__main__":
    play(primary, worker)
