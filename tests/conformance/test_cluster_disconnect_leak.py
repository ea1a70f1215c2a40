"""
Node's C{test-cluster-disconnect-leak}: a cluster is disconnected while its worker
is about to listen.
"""

from __future__ import annotations

import os

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


class DisconnectLeakTests(ProgramTests):
    """
    The test.
    """

    def test_nothingLeft(self) -> None:
        """
        What happens to the worker happens once, and the primary has no
        descriptor more than before.
        """
        self.assertEqual(self.perform(), {"leaked": [0], "exit": [[0, None]] * 2})


async def primary() -> None:
    """
    Disconnect at once; twice, because Twisted keeps a descriptor for
    emergencies from its first port on.
    """
    cluster.schedulingPolicy = cluster.SCHED_NONE
    descriptors = []
    for _ in range(2):
        worker = cluster.fork()
        worker.on("disconnect", mustCall())
        worker.on("exit", mustCall())
        cluster.once("exit", mustCall())
        await cluster.disconnect()
        await sawExit(worker)
        descriptors.append(len(os.listdir("/proc/self/fd")))
    saw("leaked", descriptors[1] - descriptors[0])


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
