"""
Node's C{test-cluster-send-handle-large-payload}: a long message with a socket,
there and back.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

SIZE = 800004


class SendHandleLargePayloadTests(ProgramTests):
    """
    The test.
    """

    def test_thereAndBack(self) -> None:
        """
        Message and socket arrive whole, both ways.
        """
        seen = self.perform()
        self.assertEqual(seen["there"], [[SIZE, True]])
        self.assertEqual(seen["back"], [[SIZE, True]])
        self.assertEqual(seen["heard"], ["hello"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Send what connects to a worker, and use it when it comes back.
    """
    worker = cluster.fork()
    payload = "a" * SIZE
    accepted: Deferred[Peer] = Deferred()
    port = reactor().listenTCP(0, serving(accepted.callback), interface="127.0.0.1")
    client = await connect(port.getHost().port)
    peer = await accepted
    back = happening(worker, "message")
    await worker.send(payload, peer.transport)
    [message, handle] = await back
    saw("back", [len(message), message == payload and handle is not None])
    handle.serve(Peer(lambda peer: peer.write(b"hello")))
    saw("heard", (await client.hear(5)).decode())
    client.close()
    await port.stopListening()
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Send back what comes.
    """
    itself = cluster.worker
    assert itself is not None
    [message, handle] = await happening(itself, "message")
    saw("there", [len(message), message == "a" * SIZE and handle is not None])
    await itself.send(message, handle)


if __name__ == "__main__":
    play(primary, worker)
