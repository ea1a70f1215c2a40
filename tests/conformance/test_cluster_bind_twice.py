"""
Node's C{test-cluster-bind-twice}: a worker of one cluster wants the port of
another's.
"""

from __future__ import annotations

import errno
import os

from twisted.internet.error import CannotListenError

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustNotCall,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "The two clusters are in one process, as two C{Cluster} objects; Node needs a "
    "process for each."
)


class BindTwiceTests(ProgramTests):
    """
    The test.
    """

    def test_inUse(self) -> None:
        """
        Listening fails with C{EADDRINUSE}; both clusters can end.
        """
        seen = self.perform()
        self.assertEqual(
            seen, {"errno": ["EADDRINUSE"], "exit": [[0, None], [0, None]]}
        )


async def primary() -> None:
    """
    Start two clusters.
    """
    first, second = cluster.Cluster(), cluster.Cluster()
    holder = first.fork({"PORT": "0"})
    address = await holder.whenListening()
    second.on("listening", mustNotCall("listening"))
    await sawExit(second.fork({"PORT": str(address.port)}))
    await first.disconnect()
    await sawExit(holder)
    same((first.workers, second.workers), ({}, {}))


async def worker() -> None:
    """
    Listen.
    """
    assert cluster.worker is not None
    try:
        reactor().listenTCP(int(os.environ["PORT"]), serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("errno", errno.errorcode[e.socketError.errno])
        await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
