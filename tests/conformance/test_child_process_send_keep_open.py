"""
Node's C{test-child-process-send-keep-open}: a connection that both processes
use.
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
    serving,
)


class SendKeepOpenTests(ProgramTests):
    """
    The test.
    """

    def test_bothWrite(self) -> None:
        """
        The client hears both.
        """
        self.assertEqual(self.perform()["heard"], ["childparent"])


async def primary() -> None:
    """
    Write after the worker has.
    """
    worker = cluster.fork()
    accepted: Deferred[Peer] = Deferred()
    port = reactor().listenTCP(0, serving(accepted.callback), interface="127.0.0.1")
    client = await connect(port.getHost().port)
    peer = await accepted
    await worker.send("socket", peer.transport, keepOpen=True)
    await client.hear(5)
    peer.write(b"parent")
    saw("heard", (await client.hear(11)).decode())
    client.close()
    worker.disconnect()
    await worker.whenExited()
    await port.stopListening()
    peer.close()


async def worker() -> None:
    """
    Write.
    """
    itself = cluster.worker
    assert itself is not None
    [_, handle] = await happening(itself, "message")
    handle.serve(Peer(lambda peer: peer.write(b"child")))


if __name__ == "__main__":
    play(primary, worker)
