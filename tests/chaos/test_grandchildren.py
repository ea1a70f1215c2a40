"""
A worker's own child keeps the channels open when the worker has ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.chaos.exhausting import assertKeeps, openDescriptors
from tests.integration.running import RunningCluster, standingStill
from tests.integration.supervising import Client, meet

PROGRAM = os.path.join(os.path.dirname(__file__), "applications", "forking.py")


def test_killed() -> None:
    """
    The end of the process counts, not that of the channel: the worker is gone at
    once, gets nothing any more, and what was on its way to it is served by
    others.  The primary keeps nothing of it.
    """
    options = ("--threshold", "0")
    with RunningCluster(PROGRAM, options=options) as cluster, leftBehind(cluster):
        port = cluster.port
        cluster.waitForLine("left behind", count=2)
        meet(port)
        before = len(openDescriptors(cluster.pid))
        killed = cluster.workerPIDs()[1]
        mark = cluster.log.mark()
        # It may be gone when it is told to go on.
        with suppress(ProcessLookupError), standingStill([killed]):
            clients = [Client(port) for _ in range(10)]
            os.kill(killed, signal.SIGKILL)
        cluster.waitForLine(r"worker 1 is gone \(killed by SIGKILL\)", mark)
        answers = {client.meet() for client in clients}
        assert None not in answers
        assert killed not in answers
        for client in clients:
            client.close()
        cluster.waitForWorkers(mark)
        cluster.waitForLine("left behind", count=3)
        answers = {meet(port) for _ in range(10)}
        assert answers == set(cluster.workerPIDs().values())
        assertKeeps(cluster.pid, before)


@contextmanager
def leftBehind(cluster: RunningCluster) -> Iterator[None]:
    """
    End what the workers left behind, in the end.
    """
    try:
        yield
    finally:
        for match in cluster.log.matches(r"left behind: (\d+)"):
            os.kill(int(match[1]), signal.SIGKILL)
