"""
Every worker is full, and clients wait.
"""

from __future__ import annotations

import os
import time

import pytest

from benchmarks.processes import cpuSeconds
from tests.chaos.exhausting import assertKeeps, openDescriptors
from tests.chaos.interception import Interception, whyNot
from tests.integration.running import TWISTD, RunningCluster
from tests.integration.supervising import Client, answered

PROGRAM = os.path.join(os.path.dirname(__file__), "applications", "places.py")

ENDPOINT = "tcp:0:interface=127.0.0.1"


@pytest.mark.skipif(bool(whyNot()), reason=whyNot())
def test_nothingIsTried() -> None:
    """
    While all places are taken nobody is offered a client: the primary sends no
    descriptor and accepts nobody, and uses hardly any time.  When a client leaves
    the next one is served, by the worker that has the place; and so on, to the
    last.
    """
    with (
        Interception("sendmsg", "accept4") as interception,
        RunningCluster(
            PROGRAM,
            ENDPOINT,
            "2",
            launcher=[*interception.launcher, TWISTD, "-n", "--pidfile="],
        ) as cluster,
    ):
        port = cluster.port
        before = len(openDescriptors(cluster.pid))
        served = [Client(port) for _ in range(4)]
        pids = [client.meet() for client in served]
        workers = list(cluster.workerPIDs().values())
        assert sorted(map(str, pids)) == sorted(map(str, workers * 2))
        waiting = [Client(port) for _ in range(10)]
        # They are accepted, and perhaps offered once, before the primary knows.
        time.sleep(0.5)
        sent, used = dict(interception.calls), cpuSeconds(cluster.pid)
        time.sleep(1)
        assert dict(interception.calls) == sent
        # Now and then it asks each worker whether it is blocked.
        assert cpuSeconds(cluster.pid) - used < 0.03
        assert answered(waiting) == []
        while waiting:
            left = pids.pop(0)
            served.pop(0).close()
            pids.append(waiting[0].meet())
            assert pids[-1] == left
            assert answered(waiting[1:]) == []
            served.append(waiting.pop(0))
        for client in served:
            client.close()
        assertKeeps(cluster.pid, before)


def test_placesOfTheDead() -> None:
    """
    The places of a worker that ends are its successor's.
    """
    options = ("--threshold", "0")
    with RunningCluster(PROGRAM, ENDPOINT, "2", workers=1, options=options) as cluster:
        port = cluster.port
        served = [Client(port) for _ in range(2)]
        pids = {client.meet() for client in served}
        waiting = [Client(port) for _ in range(2)]
        mark = cluster.log.mark()
        [worker] = cluster.workerPIDs().values()
        assert pids == {worker}
        os.kill(worker, 9)
        cluster.waitForWorkers(mark)
        successor = waiting[0].meet()
        assert successor == waiting[1].meet()
        assert successor in cluster.workerPIDs().values()
        for client in served + waiting:
            client.close()
