"""
Node's C{test-child-process-pass-fd}: many processes send a connected socket
each.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import DeferredQueue

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    play,
    reactor,
    same,
    saw,
    serving,
)

ADAPTED = (
    "To start eighty interpreters takes half a minute of processor time, so that ten "
    "workers send eight sockets each, instead of eighty processes one."
)

WORKERS = 10
EACH = 8


class ChildProcessPassFdTests(ProgramTests):
    """
    The test.
    """

    def test_allArrive(self) -> None:
        """
        Every socket arrives, and can be used.
        """
        self.assertEqual(self.perform()["greeted"], [WORKERS * EACH])


async def primary() -> None:
    """
    Greet with every socket that comes, and count what the other ends hear.
    """
    count = WORKERS * EACH
    accepted: DeferredQueue[Peer] = DeferredQueue()
    port = reactor().listenTCP(
        0, serving(accepted.put), backlog=count, interface="127.0.0.1"
    )

    def received(worker: object, message: object, handle: Any) -> None:
        same(message, "handle")
        handle.serve(Peer(lambda peer: peer.write(b"hello")))

    cluster.on("message", received)
    for _ in range(WORKERS):
        cluster.fork({"PORT": str(port.getHost().port)})
    greeted = 0
    for _ in range(count):
        peer = await accepted.get()
        same(await peer.hear(5), b"hello")
        greeted += 1
        peer.close()
    saw("greeted", greeted)
    await port.stopListening()
    await cluster.disconnect()


async def worker() -> None:
    """
    Connect, and send the connections.
    """
    assert cluster.worker is not None
    for _ in range(EACH):
        peer = await connect(int(os.environ["PORT"]))
        await cluster.worker.send("handle", peer.transport)


if __name__ == "__main__":
    play(primary, worker)
