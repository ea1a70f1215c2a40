"""
Node's C{test-cluster-shared-leak}: a connection that comes when both workers
leave.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone, ConnectionLost

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)


class SharedLeakTests(ProgramTests):
    """
    The test.
    """

    def test_leave(self) -> None:
        """
        Both end in order, whichever of them got it, or none.
        """
        seen = self.perform(environment={"TWISTED_CLUSTER_SCHED_POLICY": "none"})
        self.assertEqual(seen["exit"], [[0, None], [0, None]])
        self.assertEqual(seen["closed"], [True])


async def primary() -> None:
    """
    Connect, and ask both workers to leave.
    """
    workers = [cluster.fork(), cluster.fork()]
    addresses = [await worker.whenListening() for worker in workers]
    same(addresses[0], addresses[1])
    client = await connect(addresses[0].port)
    for worker in workers:
        worker.disconnect()
    for worker in workers:
        await sawExit(worker)
    await cluster.disconnect()
    reason = await client.whenClosed()
    saw("closed", isinstance(reason, (ConnectionDone, ConnectionLost)))


async def worker() -> None:
    """
    Close what comes.
    """
    factory = serving(lambda peer: peer.close())
    reactor().listenTCP(0, factory, interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
