"""
Node's C{test-cluster-rr-handle-close}: a worker without a port any more.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    sawExit,
    serving,
)

ADAPTED = (
    "Nothing unrefs in Twisted, and no Twisted program ends by itself when nothing is "
    "left to wait for: C{cluster.worker.disconnect()} has to allow it."
)


class RrHandleCloseTests(ProgramTests):
    """
    The test.
    """

    def test_close(self) -> None:
        """
        It ends, when it is allowed to, as soon as its port is closed.
        """
        seen = self.perform()
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Fork one worker.
    """
    worker = cluster.fork()
    await worker.whenListening()
    await sawExit(worker)


async def worker() -> None:
    """
    Close the port, and leave.
    """
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    await port.stopListening()
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
