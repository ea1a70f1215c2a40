"""
Node's C{test-cluster-send-deadlock}: connections that go to the worker and
come back.
"""

from __future__ import annotations

from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    mustCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class SendDeadlockTests(ProgramTests):
    """
    The test.
    """

    def test_thereAndBack(self) -> None:
        """
        Two connections at once are sent to the worker, and back; both clients see
        them close.
        """
        seen = self.perform()
        self.assertEqual(seen["came back"], ["reply", "reply"])
        self.assertEqual(seen["closed"], [True, True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Send what comes to the worker, and close what comes back.
    """
    worker = cluster.fork()

    def cameBack(message: object, handle: Any) -> None:
        saw("came back", message)
        handle.close()

    worker.on("message", mustCall(cameBack, times=2))
    await worker.whenOnline()
    factory = serving(lambda peer: worker.send("accepted", peer.transport))
    port = reactor().listenTCP(0, factory, interface="127.0.0.1")
    connecting = [connect(port.getHost().port) for _ in range(2)]
    for client in [await each for each in connecting]:
        await client.whenClosed()
        saw("closed", True)
    await port.stopListening()
    await worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Send back what comes.
    """
    itself = cluster.worker
    assert itself is not None
    itself.on("message", lambda message, handle: itself.send("reply", handle.socket))


if __name__ == "__main__":
    play(primary, worker)
