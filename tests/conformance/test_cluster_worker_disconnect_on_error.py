"""
Node's C{test-cluster-worker-disconnect-on-error}: a worker that leaves because
it cannot listen.
"""

from __future__ import annotations

import errno
import os

from twisted.internet.error import CannotListenError

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustCall,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class WorkerDisconnectOnErrorTests(ProgramTests):
    """
    The test.
    """

    def test_disconnect(self) -> None:
        """
        It ends in order.
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
    worker.on("disconnect", mustCall())
    await sawExit(worker)
    await port.stopListening()


async def worker() -> None:
    """
    Try to listen.
    """
    assert cluster.worker is not None
    number = int(os.environ["PORT"])
    try:
        reactor().listenTCP(number, serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("error", errno.errorcode[e.socketError.errno])
        await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
