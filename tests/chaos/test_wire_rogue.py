"""
Real workers that break the rules of the wire, on their real channels.
"""

from __future__ import annotations

import os

import pytest

from tests.chaos.exhausting import assertKeeps, openDescriptors
from tests.integration.running import RunningCluster
from tests.integration.supervising import Client, meet

APPLICATION = os.path.join(os.path.dirname(__file__), "applications", "rogue.py")


def rogues(*options: str) -> RunningCluster:
    """
    Two workers that do what they are told.
    """
    return RunningCluster(
        APPLICATION, "0", options=("--threshold", "0", "--killtime", "1", *options)
    )


def residentMemory(pid: int) -> int:
    """
    How many bytes of memory a process has.
    """
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def numberOf(cluster: RunningCluster, pid: int) -> int:
    """
    The number of the worker of this process id.
    """
    [number] = [number for number, own in cluster.workerPIDs().items() if own == pid]
    return number


def assertReplaced(cluster: RunningCluster, order: str, line: str) -> None:
    """
    A worker that is given an order is lost and replaced; the primary says why, the
    other worker serves all the while, and nothing is left of it.
    """
    assert {meet(cluster.port), meet(cluster.port)} == {*cluster.workerPIDs().values()}
    before = len(openDescriptors(cluster.pid))
    mark = cluster.log.mark()
    with Client(cluster.port) as client:
        rogue = client.meet()
        assert rogue is not None
        number = numberOf(cluster, rogue)
        client.order(order)
        cluster.waitForLine(line.format(number), mark)
        others = {meet(cluster.port) for _ in range(4)}
        assert None not in others
        cluster.waitForLine(rf"worker {number} is gone", mark)
    cluster.waitForWorkers(mark)
    answers = {meet(cluster.port) for _ in range(4)}
    assert answers == {*cluster.workerPIDs().values()}, cluster.log
    assert rogue not in answers
    assertKeeps(cluster.pid, before + 1)


BROKEN = "worker {} broke the wire's rules: "


def test_garbage() -> None:
    """
    Bytes that are no box, no key, no end, or descriptors that no box names; also
    from a worker that then reads nothing any more.
    """
    with rogues() as cluster:
        for order in ("garbage", "empty", "oversized", "descriptors", "garbage deaf"):
            assertReplaced(cluster, f"0 {order}", BROKEN)


@pytest.mark.parametrize("channel", [1, 2])
def test_garbageElsewhere(channel: int) -> None:
    """
    A worker that breaks the rules where it asks for ports, or where it is handed
    connections, is lost, too.
    """
    with rogues() as cluster:
        for order in ("garbage", "descriptors", "garbage deaf"):
            assertReplaced(cluster, f"{channel} {order}", BROKEN)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_truncated(channel: int) -> None:
    """
    Half a box, and the end.
    """
    with rogues() as cluster:
        assertReplaced(cluster, f"{channel} truncated", "worker {} is gone")


def test_flood() -> None:
    """
    A worker that sends messages as fast as it can, and reads nothing, takes neither
    the primary's memory nor the other worker's clients.
    """
    with rogues() as cluster:
        assert {meet(cluster.port), meet(cluster.port)}
        before = residentMemory(cluster.pid)
        with Client(cluster.port) as client:
            rogue = client.meet()
            client.order("0 flood")
            served = 0
            while not (sent := cluster.log.matches(r"sent (\d+) messages")):
                served += meet(cluster.port) not in (None, rogue)
                assert residentMemory(cluster.pid) - before < 32 * 1024 * 1024
        assert int(sent[0][1]) > 1000
        assert served > 10
        # Somebody receives what it sends: it did not break any rule.
        assert rogue in cluster.workerPIDs().values()
