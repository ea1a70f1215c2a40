"""
Node's C{test-cluster-dgram-bind-fd}: workers receive on a UDP socket that the
primary has.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.defer import gatherResults

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
)
from tests.conformance.receiving import EACH, Receiver, sendEnough

ADAPTED = (
    "The workers name the descriptor with C{cluster.worker.adoptDatagramPort}; as in "
    "test-cluster-dgram-1, they read one datagram in a turn."
)


class DgramBindFdTests(ProgramTests):
    """
    The test.
    """

    def test_shared(self) -> None:
        """
        Every datagram is received once, and a worker that has enough leaves the
        rest to the others.
        """
        seen = self.perform()
        self.assertEqual(seen["received"], [EACH] * 4)
        self.assertEqual(seen["exit"], [[0, None]] * 4)


async def primary() -> None:
    """
    Send as many datagrams as the workers take together.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    bound.setblocking(False)
    variables = {"DESCRIPTOR": str(bound.fileno())}
    workers = [cluster.fork(variables) for _ in range(4)]
    await gatherResults([worker.whenListening() for worker in workers])
    await sendEnough(workers, bound.getsockname())
    bound.close()


async def worker() -> None:
    """
    Receive.
    """
    assert cluster.worker is not None
    port: Any = cluster.worker.adoptDatagramPort(
        int(os.environ["DESCRIPTOR"]), socket.AF_INET, Receiver()
    )
    port.maxThroughput = 1


if __name__ == "__main__":
    play(primary, worker)
