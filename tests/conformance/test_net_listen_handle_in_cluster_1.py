"""
Node's C{test-net-listen-handle-in-cluster-1}: a listening port is sent to a
worker.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    mustNotCall,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

ADAPTED = "What arrives is an endpoint, to listen on with a factory."


class NetListenHandleInCluster1Tests(ProgramTests):
    """
    The test.
    """

    def test_used(self) -> None:
        """
        The worker accepts on it.
        """
        seen = self.perform()
        self.assertEqual(seen["served by"], ["worker"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Send a port, close it here, and connect.
    """
    worker = cluster.fork()
    worker.on("listening", mustNotCall("listening"))
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    number = port.getHost().port
    await worker.send("port", port)
    await port.stopListening()
    client = await connect(number)
    saw("served by", (await client.hear(6)).decode())
    client.close()
    await worker.send("close")
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen on what comes.
    """
    itself = cluster.worker
    assert itself is not None
    [message, handle] = await happening(itself, "message")
    same(message, "port")
    port = await handle.listen(serving(lambda peer: peer.write(b"worker")))
    itself.on("message", lambda message, handle: port.stopListening())


if __name__ == "__main__":
    play(primary, worker)
