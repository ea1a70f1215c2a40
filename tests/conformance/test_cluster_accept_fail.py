"""
Node's C{test-cluster-accept-fail}: the primary accepts, and gets an error and no
connection.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    mustCall,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "The error is C{ECONNABORTED} of C{accept} itself; Node's test replaces a "
    "function inside Node."
)


class AcceptFailTests(ProgramTests):
    """
    The test.
    """

    def test_acceptFails(self) -> None:
        """
        The client's connection is closed, and no worker hears of it; the next
        client is served, and the worker can close its port.
        """
        seen = self.perform()
        self.assertEqual(seen, {"failed": [None], "exit": [[0, None]]})


async def primary() -> None:
    """
    Accept one connection that fails, and another one.
    """
    worker = cluster.fork()
    address = await worker.whenListening()
    accept = socket.socket.accept

    def fails(listening: socket.socket) -> Any:
        connection, _ = accept(listening)
        connection.close()
        socket.socket.accept = accept  # type: ignore[method-assign]
        saw("failed")
        raise OSError(errno.ECONNABORTED, "aborted")

    socket.socket.accept = fails  # type: ignore[assignment, method-assign]
    client = await connect(address.port)
    await client.whenClosed()
    served = await connect(address.port)
    same(await served.hear(5), b"hello")
    served.close()
    await worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen.
    """
    served = serving(mustCall(lambda peer: peer.write(b"hello")))
    reactor().listenTCP(0, served, interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
