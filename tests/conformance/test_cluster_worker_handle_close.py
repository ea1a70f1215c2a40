"""
Node's C{test-cluster-worker-handle-close}: a port that is closed while a
connection is on its way to it.
"""

from __future__ import annotations

import os
import socket

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    later,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "The worker is busy while the connection comes, instead of being told of it in "
    "the middle."
)


class WorkerHandleCloseTests(ProgramTests):
    """
    The test.
    """

    def test_close(self) -> None:
        """
        The connection is not served, and its descriptor does not stay open in the
        worker.
        """
        seen = self.perform()
        self.assertEqual(seen["descriptors"], [0])
        self.assertEqual(seen["client"], ["closed"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Connect while the worker does not look.
    """
    worker = cluster.fork()
    address = await worker.whenListening()
    [_, held] = await happening(worker, "message")
    client = await connect(address.port)
    # Accepted, and handed over.
    await later(0.2)
    held.send(b"go")
    await client.whenClosed()
    saw("client", "closed")
    held.close()
    await sawExit(worker)


async def worker() -> None:
    """
    Look away until there is a connection, and close the port.
    """
    itself = cluster.worker
    assert itself is not None
    factory = serving(mustNotCall("the protocol"))
    port = reactor().listenTCP(0, factory, interface="127.0.0.1")
    ours, theirs = socket.socketpair()
    before = len(os.listdir("/dev/fd"))
    await itself.send("about to look away", theirs)
    ours.recv(2)
    await port.stopListening()
    await later(0.2)
    # The port is closed, and what was sent is the primary's.
    saw("descriptors", len(os.listdir("/dev/fd")) - before + 2)
    await itself.disconnect()


if __name__ == "__main__":
    play(primary, worker)
