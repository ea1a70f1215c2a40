"""
Node's C{test-cluster-server-restart-rr}: ports that are closed and opened
again.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    nextTurn,
    play,
    reactor,
    saw,
    serving,
)


class ServerRestartRrTests(ProgramTests):
    """
    The test.
    """

    def test_restart(self) -> None:
        """
        One worker listens a second time, and leaves, and then the other does.
        """
        seen = self.perform(environment={"TWISTED_CLUSTER_SCHED_POLICY": "rr"})
        self.assertEqual(seen["exit"], [[2, 0, None], [1, 0, None]])


async def primary() -> None:
    """
    Have two workers listen, and leave one after the other.
    """
    first, second = cluster.fork(), cluster.fork()
    await first.whenListening()
    await second.whenListening()
    for worker in (second, first):
        await worker.send("leave")
        exit = await worker.whenExited()
        saw("exit", [worker.id, exit.code, exit.signal])


async def worker() -> None:
    """
    Listen, and when the time has come, the second worker does so again.
    """
    itself = cluster.worker
    assert itself is not None
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    await happening(itself, "message")
    await nextTurn()
    if itself.id == 2:
        await port.stopListening()
        port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
        await port.stopListening()
    await itself.disconnect()


if __name__ == "__main__":
    play(primary, worker)
