"""
Workers whose reactor does not turn: because they compute, wait for something, or were
stopped.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
from collections import Counter
from pathlib import Path

from tests.chaos.exhausting import openDescriptors
from tests.chaos.keeping import LedgerCluster, answersOf
from tests.integration.running import standingStill, until

BLOCKED = r"worker {} has not answered for .* s: it gets no connections"
BACK = r"worker {} answers again"


def test_takenBack(tmp_path: Path) -> None:
    """
    What a stopped worker has not read is served by another, while it still stands
    still; and exactly once.
    """
    with LedgerCluster(tmp_path) as cluster:
        before = len(openDescriptors(cluster.pid))
        first, second = cluster.workerPIDs().values()
        with standingStill([first]):
            clients = cluster.sendAll(range(60))
            assert answersOf(clients) == {second: 60}
            cluster.waitForLine(BLOCKED.format(1))
        cluster.waitForLine(BACK.format(1))
        assert answersOf(cluster.sendAll(range(100, 120))) == {first: 10, second: 10}
        assert cluster.served() == Counter([*range(60), *range(100, 120)])
        until(
            lambda: len(openDescriptors(cluster.pid)) == before,
            "the primary has closed its descriptors",
        )


def test_noNewOnes(tmp_path: Path) -> None:
    """
    A worker that is known to be blocked gets no connections, so that clients do not
    wait for it, nor for somebody to notice; its own client has its answer in the end.
    """
    with LedgerCluster(tmp_path) as cluster:
        own = cluster.send("block 3 0")
        number = cluster.waitForLine(BLOCKED.format(r"(\d)"))[1]
        blocked = cluster.workerPIDs()[int(number)]
        others = answersOf(cluster.sendAll(range(1, 41)))
        assert others.total() == 40
        assert blocked not in others
        assert cluster.taken(blocked) == 1
        assert answersOf([own]) == {blocked: 1}
        cluster.waitForLine(BACK.format(number))
        assert answersOf(cluster.sendAll(range(41, 45)))[blocked] == 2
        assert cluster.served() == Counter(range(45))


def test_everybody(tmp_path: Path) -> None:
    """
    If all workers are blocked, clients wait, in the primary and then in the kernel,
    and are served when one is back.
    """
    with LedgerCluster(tmp_path, options=["--queue-limit", "10"]) as cluster:
        with standingStill(cluster.workerPIDs().values()):
            clients = cluster.sendAll(range(50))
            for number in (1, 2):
                cluster.waitForLine(BLOCKED.format(number))
            cluster.waitForLine(
                r"\d+ connections to .* wait in the primary, and no more"
            )
        assert answersOf(clients).total() == 50
        cluster.waitForLine("are accepted again")
        assert cluster.served() == Counter(range(50))


def test_exactlyOnce(tmp_path: Path) -> None:
    """
    However often workers stop and go on, each connection is served once: none is lost
    between the primary that takes it back and the worker that reads it.
    """
    choice = random.Random(20)
    with LedgerCluster(
        tmp_path, workers=3, options=["--blocked-after", "0.05"]
    ) as cluster:
        pids = list(cluster.workerPIDs().values())
        clients: list[socket.socket] = []
        for beginning in range(0, 600, 20):
            sofar = cluster.served().total()
            stopped = choice.sample(pids, 2)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            clients += cluster.sendAll(range(beginning, beginning + 20))
            if choice.random() < 0.5:
                # By the third, as the others stand still.
                cluster.waitForMore(sofar)
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert answersOf(clients).total() == 600
        assert cluster.served() == Counter(range(600))


def test_killed(tmp_path: Path) -> None:
    """
    A stopped worker that is killed takes nothing with it that it has not read.
    """
    with LedgerCluster(tmp_path, options=["--blocked-after", "0"]) as cluster:
        first, second = cluster.workerPIDs().values()
        os.kill(first, signal.SIGSTOP)
        clients = cluster.sendAll(range(60))
        until(lambda: cluster.served().total() == 30, "the other's half is served")
        os.kill(first, signal.SIGKILL)
        answers = answersOf(clients)
        assert answers.total() == 60
        assert first not in answers
        assert answers[second] >= 30
        assert cluster.served() == Counter(range(60))


def test_givenUp(tmp_path: Path) -> None:
    """
    A client that has gone before there was a worker for it is not handed over.
    """
    with LedgerCluster(tmp_path, workers=1) as cluster:
        [worker] = cluster.workerPIDs().values()
        before = len(openDescriptors(cluster.pid))
        with standingStill([worker]):
            staying = cluster.send("1")
            for _ in range(5):
                _resetting(cluster.port).close()
            # So that every one of them has waited.
            cluster.waitForLine(BLOCKED.format(1))
            last = cluster.send("2")
        assert answersOf([staying, last]) == {worker: 2}
        assert cluster.taken(worker) == 2
        until(
            lambda: len(openDescriptors(cluster.pid)) == before,
            "the primary has closed its descriptors",
        )


def _resetting(port: int) -> socket.socket:
    """
    A client whose connection is reset when it is closed.
    """
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return client
