"""
Node's C{test-net-listen-exclusive-random-ports}: ports that are a worker's own,
with any number.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    saw,
    serving,
)


class NetListenExclusiveRandomPortsTests(ProgramTests):
    """
    The test.
    """

    def test_different(self) -> None:
        """
        Two workers get two numbers.
        """
        [first, second] = self.perform()["port"]
        self.assertNotEqual(first, second)
        self.assertTrue(first and second)


async def primary() -> None:
    """
    Ask two workers for their number.
    """
    for _ in range(2):
        worker = cluster.fork()
        [port, _] = await happening(worker, "message")
        saw("port", port)
    await cluster.disconnect()


async def worker() -> None:
    """
    Listen on a port that is not shared.
    """
    itself = cluster.worker
    assert itself is not None
    with itself.exclusive():
        port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    itself.on("disconnect", port.stopListening)
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
