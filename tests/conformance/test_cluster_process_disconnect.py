"""
Node's C{test-cluster-process-disconnect}: a worker that just closes its
channel.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    nextTurn,
    play,
    reactor,
    serving,
)
from tests.conformance.watching import life, watch


class ProcessDisconnectTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        It ends in order, though nobody wanted it to.
        """
        seen = self.perform()
        self.assertEqual(seen["worker"], life([0, None], False))


async def primary() -> None:
    """
    Watch.
    """
    worker = cluster.fork()
    watch(worker)
    await worker.whenListening()
    await worker.send("go")
    await worker.whenExited()


async def worker() -> None:
    """
    Listen, and close the channel.
    """
    itself = cluster.worker
    assert itself is not None
    reactor().listenTCP(0, serving(), interface="127.0.0.1")
    await happening(itself, "message")
    await nextTurn()
    itself.process.disconnect()


if __name__ == "__main__":
    play(primary, worker)
