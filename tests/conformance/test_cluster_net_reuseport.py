"""
Node's C{test-cluster-net-reuseport}: sockets that share a port by themselves.
"""

from __future__ import annotations

import socket
from typing import Any
from unittest import SkipTest

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class NetReuseportTests(ProgramTests):
    """
    The test.
    """

    def test_reusePort(self) -> None:
        """
        Two ports with C{SO_REUSEPORT} have the same number in one worker, and the
        primary does not know of them.
        """
        if not hasattr(socket, "SO_REUSEPORT"):
            raise SkipTest("there is no SO_REUSEPORT here")
        seen = self.perform()
        self.assertEqual(seen["same port"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Be asked for nothing.
    """
    worker = cluster.fork()
    worker.on("listening", mustNotCall("listening"))
    await sawExit(worker)


async def worker() -> None:
    """
    Listen twice.
    """
    first = await listening(0)
    second = await listening(first.getHost().port)
    saw("same port", first.getHost() == second.getHost())
    await first.stopListening()
    await second.stopListening()
    assert cluster.worker is not None
    await cluster.worker.disconnect()


async def listening(port: int) -> Any:
    """
    @return: A port with C{SO_REUSEPORT}.
    """
    from twisted.internet.tcp import makeBinding

    binding = makeBinding("127.0.0.1", port, reusePort=True)
    return reactor().listenTCP(binding, serving())


if __name__ == "__main__":
    play(primary, worker)
