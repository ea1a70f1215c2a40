"""
Node's C{test-cluster-worker-no-exit}: a worker with a connection of its own.
"""

from __future__ import annotations

import os

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    connect,
    later,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class WorkerNoExitTests(ProgramTests):
    """
    The test.
    """

    def test_stays(self) -> None:
        """
        It is disconnected when it leaves, and ends when the connection does.
        """
        seen = self.perform()
        self.assertEqual(
            seen["order"], ["disconnected", "still there", "closed", "exited"]
        )
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Have the worker connect, and leave.
    """
    connected: Deferred[Peer] = Deferred()
    factory = serving(connected.callback)
    port = reactor().listenTCP(0, factory, interface="127.0.0.1")
    worker = cluster.fork({"PORT": str(port.getHost().port)})
    worker.on("exit", lambda *exit: saw("order", "exited"))
    peer = await connected
    await worker.disconnect()
    saw("order", "disconnected")
    await later(1)
    saw("order", "ended too early" if worker.isDead() else "still there")
    saw("order", "closed")
    peer.close()
    await sawExit(worker)
    await port.stopListening()


async def worker() -> None:
    """
    Connect.
    """
    await connect(int(os.environ["PORT"]))


if __name__ == "__main__":
    play(primary, worker)
