"""
A worker closes its port while connections are on their way to it.
"""

from __future__ import annotations

import pytest

from tests.chaos.exhausting import assertKeeps, openDescriptors
from tests.integration.asking import connect
from tests.integration.running import RunningCluster, standingStill, until
from tests.integration.test_applications_ports import Steered


@pytest.mark.parametrize("workers", [1, 2])
def test_inFlight(workers: int) -> None:
    """
    Connections that are on their way to it are served by the other worker.  If
    there is none, the port is closed with the last worker's, and each of them is
    served or closed: nobody hangs, and the primary keeps nothing.
    """
    with RunningCluster("steered.py", "0", workers=workers) as cluster:
        steered = [Steered(cluster.ports[0]) for _ in range(workers)]
        closing, *others = steered
        [port] = {worker.do("listen", 0) for worker in steered}
        before = len(openDescriptors(cluster.pid))
        with standingStill([closing.pid]):
            # The order is there before the connections are; what it reads first
            # is left to it.
            closing._client.sendall(b"close %d\n" % port)
            clients = [connect(port) for _ in range(10 * workers)]
            until(
                lambda: len(openDescriptors(cluster.pid)) >= before + 10,
                "connections on their way",
            )
        pids = []
        for client in clients:
            with client, client.makefile("rb") as answers:
                try:
                    pids.append(int(answers.readline() or 0))
                except ConnectionResetError:
                    pids.append(0)
        if others:
            assert 0 not in pids
            assert pids.count(others[0].pid) >= 10
        assert set(pids) <= {0, *(worker.pid for worker in steered)}
        assertKeeps(cluster.pid, before)
        for worker in steered:
            worker.close()
