"""
Node's C{test-cluster-worker-forced-exit}: a worker with something to do after
it was disconnected.
"""

from __future__ import annotations

import socket
import sys

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    happening,
    nextTurn,
    play,
    reactor,
    sawExit,
    serving,
)

ADAPTED = (
    "Timers keep no worker, because nearly every Twisted program has one that never "
    "ends; so the worker of this case has a connection, too."
)

_open: list[socket.socket] = []


class WorkerForcedExitTests(ProgramTests):
    """
    The test.
    """

    def test_wanted(self) -> None:
        """
        If it was asked to leave, it is given the time.
        """
        self.assertEqual(self.perform("wanted")["exit"], [[42, None]])

    def test_unwanted(self) -> None:
        """
        If its channel was just closed, it is not.
        """
        self.assertEqual(self.perform("unwanted")["exit"], [[0, None]])


async def primary() -> None:
    """
    Disconnect the worker, in one of two ways.
    """
    worker = cluster.fork()
    await happening(worker, "message")
    await nextTurn()
    if sys.argv[1] == "wanted":
        worker.disconnect()
    else:
        worker.process.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Have something to do.
    """
    itself = cluster.worker
    assert itself is not None
    ours, theirs = socket.socketpair()

    def disconnected() -> None:
        reactor().adoptStreamConnection(ours.fileno(), socket.AF_UNIX, serving())
        # Not 10 ms, so that a busy machine makes no difference.
        reactor().callLater(0.3, exitNow, 42)

    itself.on("disconnect", disconnected)
    await itself.send("ready")
    # The connection has two ends.
    _open.append(theirs)


if __name__ == "__main__":
    play(primary, worker)
