"""
Connections whose worker is lost before it has read or written anything.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.exhausting import openDescriptors
from tests.chaos.keeping import LedgerCluster, answersOf
from tests.integration.running import until


def test_insured(tmp_path: Path) -> None:
    """
    Insured, they are served by another worker, with every byte that the client sent;
    and nothing is left in the primary.
    """
    with LedgerCluster(tmp_path, "hold", options=["--insured"]) as cluster:
        before = len(openDescriptors(cluster.pid))
        first, second = cluster.workerPIDs().values()
        clients = cluster.sendAll(range(40))
        until(lambda: cluster.taken(first) == 20, "the first worker has taken its half")
        # Its answers are read before its end is seen.
        until(
            lambda: cluster.served().total() == 20, "the second worker has served its"
        )
        os.kill(first, signal.SIGKILL)
        answers = answersOf(clients)
        assert answers.total() == 40
        assert first not in answers
        assert answers[second] >= 20
        assert cluster.served() == Counter(range(40))
        cluster.waitForLine(r"worker 3 is running")
        until(
            lambda: len(openDescriptors(cluster.pid)) == before,
            "the primary has closed its descriptors",
        )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_silent(tmp_path: Path, number: signal.Signals) -> None:
    """
    So are those whose clients have not sent anything yet, also if their worker ends
    as programs do that are told to.
    """
    with LedgerCluster(tmp_path, options=["--insured"]) as cluster:
        first, second = cluster.workerPIDs().values()
        clients = [cluster.connect() for _ in range(20)]
        until(
            lambda: (cluster.taken(first), cluster.taken(second)) == (10, 10),
            "each worker has taken half",
        )
        os.kill(first, number)
        cluster.waitForLine(r"worker 3 is running")
        for place, client in enumerate(clients):
            client.sendall(b"%d\n" % place)
        answers = answersOf(clients)
        assert answers.total() == 20
        assert first not in answers
        assert cluster.served() == Counter(range(20))


def test_notInsured(tmp_path: Path) -> None:
    """
    Otherwise they end with their worker.
    """
    with LedgerCluster(tmp_path, "hold") as cluster:
        first, second = cluster.workerPIDs().values()
        clients = cluster.sendAll(range(10))
        until(lambda: cluster.taken(first) == 5, "the first worker has taken its half")
        until(lambda: cluster.served().total() == 5, "the second worker has served its")
        os.kill(first, signal.SIGKILL)
        outcomes = []
        for client in clients:
            with client:
                try:
                    outcomes.append(client.recv(100))
                except ConnectionResetError:
                    outcomes.append(b"")
        assert Counter(outcomes) == {b"": 5, b"%d\n" % second: 5}
