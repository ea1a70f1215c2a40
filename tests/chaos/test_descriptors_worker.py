"""
A worker that has no descriptor left.

Its limit is lowered while it runs; then the kernel drops what is sent to it, and
marks the message with C{MSG_CTRUNC}.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.chaos.exhausting import (
    Crowd,
    assertKeeps,
    openDescriptors,
    roomFor,
    twoPorts,
)
from tests.integration.running import standingStill, until

TAKES_NO_MORE = r"worker \d takes no more connections: it has no descriptor left"


@pytest.mark.parametrize("room", [0, 3])
def test_others(room: int) -> None:
    """
    What it has no room for is served by the others, by the right port; it gets
    connections again when it has room again.  The log says so once for each
    port.
    """
    with twoPorts() as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        first, second = cluster.workerPIDs().values()
        keeps = len(openDescriptors(first))
        with roomFor(first, room):
            # All at once, so that more come than it has room for.
            with standingStill([cluster.pid]):
                crowd = Crowd(cluster, 30)
            answers = crowd.answers()
            assert sum(answers.values()) == 60
            assert answers[second] >= 30
            cluster.waitForLine(TAKES_NO_MORE)
        until(lambda: Crowd(cluster, 5).answers()[first], "answers of the first")
        assert len(cluster.log.matches(TAKES_NO_MORE)) <= 2
        assertKeeps(cluster.pid, before)
        assertKeeps(first, keeps)


@pytest.mark.parametrize("room", [0, 3])
def test_only(room: int) -> None:
    """
    If there is no other worker, everybody waits, and is served by the right
    port when there is room again.  Meanwhile nobody spins, and the log is not
    filled.
    """
    with twoPorts(workers=1) as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        [worker] = cluster.workerPIDs().values()
        keeps = len(openDescriptors(worker))
        mark = cluster.log.mark()
        with roomFor(worker, 0):
            crowd = Crowd(cluster, 30)
            cluster.waitForLine(TAKES_NO_MORE, mark, count=2)
            # Long enough for several tries.
            time.sleep(1)
            assert crowd.hearsNothing()
            # What the worker says, and what the primary does, for each port.
            assert len(cluster.log.matches("descriptor", mark)) <= 4, str(cluster.log)
        with roomFor(worker, max(room, 1)):
            assert crowd.answers() == {worker: 60}
        # With little room it has some and then none again, but not for each of them.
        assert len(cluster.log.matches("descriptor", mark)) <= 30, str(cluster.log)
        assertKeeps(cluster.pid, before)
        assertKeeps(worker, keeps)


def test_killedMeanwhile() -> None:
    """
    A worker that ends without room leaves nobody behind: its successor serves
    them all.
    """
    with twoPorts(workers=1, options=("--threshold", "0")) as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        [worker] = cluster.workerPIDs().values()
        mark = cluster.log.mark()
        with roomFor(worker, 0):
            crowd = Crowd(cluster, 30)
            cluster.waitForLine(TAKES_NO_MORE, mark, count=2)
            os.kill(worker, signal.SIGKILL)
            cluster.waitForWorkers(mark)
            [successor] = cluster.workerPIDs().values()
            assert crowd.answers() == {successor: 60}
            assertKeeps(cluster.pid, before)
            # There is no such process to give its limit back to.
            assert not os.path.exists(f"/proc/{worker}")
