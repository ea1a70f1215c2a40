"""
Node's C{test-net-listen-twice}: listening twice, in one turn.
"""

from __future__ import annotations

from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "In Node the second C{listen} takes the place of the first, which has not "
    "happened yet. Here a port listens when C{listenTCP} returns, so there are two."
)


class NetListenTwiceTests(ProgramTests):
    """
    The test.
    """

    def test_both(self) -> None:
        """
        Both ports are there, are different ones, and close; the worker ends.
        """
        seen = self.perform()
        self.assertEqual(len(set(seen["listening"])), 2)
        self.assertEqual(seen["closed"], [2])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Watch the worker.
    """
    worker = cluster.fork()
    worker.on("listening", mustCall(lambda address: saw("listening", address.port), 2))
    await sawExit(worker)


async def worker() -> None:
    """
    Listen twice, and close.
    """
    assert cluster.worker is not None
    endpoint = TCP4ServerEndpoint(reactor(), 0, interface="127.0.0.1")
    listening = [endpoint.listen(serving()) for _ in range(2)]
    ports = [await port for port in listening]
    for port in ports:
        await maybeDeferred(port.stopListening)
    saw("closed", len(ports))
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
