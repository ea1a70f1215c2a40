"""
Node's C{test-net-listen-handle-in-cluster-2}: a worker listens on a socket that
it bound itself.
"""

from __future__ import annotations

import socket

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class NetListenHandleInCluster2Tests(ProgramTests):
    """
    The test.
    """

    def test_notAsked(self) -> None:
        """
        The primary has no part in it.
        """
        seen = self.perform()
        self.assertEqual(seen["served by"], ["worker"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Connect to the worker.
    """
    worker = cluster.fork()
    worker.on("listening", mustNotCall("listening"))
    [number, _] = await happening(worker, "message")
    client = await connect(number)
    saw("served by", (await client.hear(6)).decode())
    client.close()
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Bind, and have the reactor adopt the socket.
    """
    itself = cluster.worker
    assert itself is not None
    with socket.create_server(("127.0.0.1", 0)) as bound:
        bound.setblocking(False)
        port = reactor().adoptStreamPort(
            bound.fileno(),
            socket.AF_INET,
            serving(lambda peer: peer.write(b"worker")),
        )
    itself.on("disconnect", port.stopListening)
    itself.send(port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
