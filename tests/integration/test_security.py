"""
What the processes of a cluster hand on, and to whom.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.integration.asking import connect, readAll
from tests.integration.running import RunningCluster, standingStill, until

CLOSE_ON_EXEC = 0o2000000


def handedOn(pid: int) -> list[str]:
    """
    The descriptors of a process, behind its standard streams, that a program which
    it starts would have.
    """
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with open(f"/proc/{pid}/fdinfo/{name}") as file:
            flags = next(line for line in file if line.startswith("flags:"))
        if int(name) > 2 and not int(flags.split()[1], 8) & CLOSE_ON_EXEC:
            found.append(name + " " + os.readlink(f"/proc/{pid}/fd/{name}"))
    return found


@pytest.mark.parametrize("policy", ["rr", "none"])
def test_programs(policy: str, tmp_path: Path) -> None:
    """
    What a worker starts has the standard streams and nothing else: no port, no
    connection, no channel; and nothing that would make it a worker.
    """
    path = str(tmp_path / "socket")
    options = ("--policy", policy)
    with RunningCluster("spawning.py", path, options=options) as cluster:
        clients = [connect(address) for address in (cluster.port, path) for _ in "1234"]
        for client in clients:
            had = json.loads(readAll(client))
            assert [number for number, _ in had["descriptors"]] == [0, 1, 2]
            assert "PATH" in had["environment"]
            assert not [
                name
                for name in had["environment"]
                if name.startswith(("TWISTED_CLUSTER", "LISTEN_"))
            ]


@pytest.mark.parametrize("policy", ["rr", "none"])
def test_closeOnExec(policy: str, tmp_path: Path) -> None:
    """
    Everything that the primary and the workers have open, connections on their
    way included, is closed when they start something.
    """
    path = str(tmp_path / "socket")
    options = ("--policy", policy)
    with RunningCluster("spawning.py", path, options=options) as cluster:
        workers = list(cluster.workerPIDs().values())
        before = len(os.listdir(f"/proc/{cluster.pid}/fd"))
        with standingStill(workers):
            clients = [connect(address) for address in (cluster.port, path)]
            if policy == "rr":
                until(
                    lambda: len(os.listdir(f"/proc/{cluster.pid}/fd")) == before + 2,
                    "two connections in the primary",
                )
            for pid in (cluster.pid, *workers):
                assert handedOn(pid) == []
        for client in clients:
            readAll(client)


def test_start(tmp_path: Path) -> None:
    """
    No worker has a channel or a connection of another's, though the primary has
    them all when it is started.  What they share are the ports.
    """
    path = str(tmp_path / "socket")
    with RunningCluster("spawning.py", path, workers=3) as cluster:
        pids = cluster.workerPIDs().values()
        sockets = [set(sockets) for sockets in map(socketsOf, pids)]
        shared = set.union(*sockets)
        ports = {
            inode for inode in shared if sum(inode in each for each in sockets) > 1
        }
        # Four ports, which all have; everything else is of one process only.
        assert len(ports) == 4
        for each in sockets:
            assert ports <= each


def socketsOf(pid: int) -> list[str]:
    """
    The sockets that a process has open.
    """
    targets = [
        os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")
    ]
    return [target for target in targets if target.startswith("socket:")]
