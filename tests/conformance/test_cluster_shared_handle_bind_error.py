"""
Node's C{test-cluster-shared-handle-bind-error}: a port that is taken, where
workers accept themselves.
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
    saw,
    sawExit,
    serving,
)


class SharedHandleBindErrorTests(ProgramTests):
    """
    The test.
    """

    def test_taken(self) -> None:
        """
        The worker is told so, and nobody that it listens.
        """
        seen = self.perform(environment={"TWISTED_CLUSTER_SCHED_POLICY": "none"})
        self.assertEqual(seen["error"], ["EADDRINUSE"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Take the port.
    """
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    worker = cluster.fork({"PORT": str(port.getHost().port)})
    worker.on("listening", mustNotCall("listening"))
    await sawExit(worker)
    await port.stopListening()


async def worker() -> None:
    """
    Try to listen.
    """
    try:
        reactor().listenTCP(int(os.environ["PORT"]), serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("error", errno.errorcode[e.socketError.errno])
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
