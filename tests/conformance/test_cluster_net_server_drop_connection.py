"""
Node's C{test-cluster-net-server-drop-connection}: as many connections as each
worker wants.
"""

from __future__ import annotations

import os

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connectUNIX,
    happening,
    play,
    reactor,
    saw,
    serving,
)


class NetServerDropConnectionTests(ProgramTests):
    """
    The test.
    """

    def test_limits(self) -> None:
        """
        Of ten connections, each worker gets as many as its limit allows.
        """
        seen = self.perform()
        self.assertEqual(sorted(seen["served"]), [[0, 0], [1, 1], [9, 9]])

    def test_limitsOfAcceptors(self) -> None:
        """
        So it does where the workers accept themselves.
        """
        seen = self.perform(environment={"TWISTED_CLUSTER_SCHED_POLICY": "none"})
        self.assertEqual(sorted(seen["served"]), [[0, 0], [1, 1], [9, 9]])


async def primary() -> None:
    """
    Make ten connections.
    """
    workers = {limit: cluster.fork({"LIMIT": str(limit)}) for limit in (0, 1, 9)}
    for ready in [happening(worker, "message") for worker in workers.values()]:
        await ready
    clients = [await connectUNIX("socket") for _ in range(10)]
    for client in clients:
        await client.hear(6)
    for limit, worker in workers.items():
        saw("served", [limit, await worker.ask("How many?")])
    for client in clients:
        client.close()
    await cluster.disconnect()


async def worker() -> None:
    """
    Serve some clients.
    """
    itself = cluster.worker
    assert itself is not None
    served: list[Peer] = []

    def serve(peer: Peer) -> None:
        served.append(peer)
        peer.write(b"served")

    port = reactor().listenUNIX("socket", serving(serve))
    itself.limitConnections(port, int(os.environ["LIMIT"]))
    itself.answer(lambda question: len(served))
    await itself.send("ready")


if __name__ == "__main__":
    play(primary, worker)
