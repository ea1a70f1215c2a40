"""
What an application sees of its ports in a cluster: that they are as alone,
and that other workers have them too.
"""

from __future__ import annotations

import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.integration.asking import connect, pidsOfAnswers, readAll
from tests.integration.running import RunningCluster, standingStill, until

TAKEN = ["CannotListenError", "EADDRINUSE"]


class Steered:
    """
    A worker of the steered program, and a connection to it.

    @ivar pid: The worker's process id.
    """

    def __init__(self, port: int) -> None:
        self._client = connect(port)
        self._answers = self._client.makefile("rb")
        self.pid = self.do("pid")

    def do(self, *words: object) -> Any:
        """
        Have the worker do something.
        """
        self._client.sendall(" ".join(map(str, words)).encode() + b"\n")
        return json.loads(self._answers.readline())

    def close(self) -> None:
        """
        Leave the worker alone.
        """
        self._answers.close()
        self._client.close()


@frozen
class Program:
    """
    The steered program in a cluster.

    @ivar taken: A port that somebody else has.
    @ivar workers: Its workers.
    """

    cluster: RunningCluster
    taken: int
    workers: list[Steered]

    def everywhere(self, *words: object) -> list[Any]:
        """
        Have every worker do something.
        """
        return [worker.do(*words) for worker in self.workers]

    def assertWorkersOwn(self, *ports: int) -> None:
        """
        Fail if the primary has opened one of these.  It tells in the log, which
        is complete as far as the line about a port that is opened now.
        """
        last = self.workers[0].do("listen", 0)
        self.cluster.waitForLine(rf"listening on tcp \S+:{last} for the workers$")
        assert not set(ports) & set(self.cluster.ports)

    @property
    def pids(self) -> set[int]:
        """
        Of all workers.
        """
        return {worker.pid for worker in self.workers}


def pidOf(client: socket.socket) -> int:
    """
    Who answers, on a connection that it leaves open.
    """
    with client, client.makefile("rb") as answers:
        return int(answers.readline())


def pidsAt(port: int, count: int) -> list[int]:
    """
    Who answers each of several connections, one after the other.
    """
    return [pidOf(connect(port)) for _ in range(count)]


def untilServedBy(port: int, pids: set[int]) -> None:
    """
    Wait until a port's connections go to these processes, and see that they go
    there in turn.
    """
    count = len(pids)
    until(lambda: set(pidsAt(port, count)) == pids, f"{pids} serve port {port}")
    assert Counter(pidsAt(port, 2 * count)) == dict.fromkeys(pids, 2)


@pytest.fixture(scope="module", name="program")
def runProgram() -> Iterator[Program]:
    """
    One for all tests; each uses ports of its own.
    """
    with ExitStack() as stack:
        taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        number = taken.getsockname()[1]
        cluster = stack.enter_context(RunningCluster("steered.py", str(number)))
        workers = [Steered(cluster.ports[0]) for _ in range(cluster.workers)]
        for worker in workers:
            stack.callback(worker.close)
        program = Program(cluster, number, workers)
        assert program.pids == set(cluster.workerPIDs().values())
        yield program


class TestListening:
    """
    C{listenTCP} in a worker.
    """

    def test_beforeTheReactorRuns(self, program: Program) -> None:
        """
        It has answered by the time it returns: with the numbers of the ports,
        which are the same in all workers, or with the right error.
        """
        tried = [
            json.loads(
                program.cluster.waitForLine(
                    rf"\[worker {number}\] tried before it runs: (.*)"
                )[1]
            )
            for number in program.cluster.workerPIDs()
        ]
        assert tried[0][0] == TAKEN
        assert tried[0] == tried[1]
        _, first, second = tried[0]
        assert program.cluster.ports[1:3] == [first, second]
        untilServedBy(first, program.pids)
        untilServedBy(second, program.pids)

    def test_refusedWhileRunning(self, program: Program) -> None:
        """
        A port that somebody else has is refused, with the right error, and may
        be tried again.
        """
        for _ in range(2):
            assert program.everywhere("listen", program.taken) == [TAKEN, TAKEN]
        with socket.create_server(("127.0.0.1", 0)) as taken:
            number = taken.getsockname()[1]
            assert program.everywhere("listen", number) == [TAKEN, TAKEN]
        assert program.everywhere("listen", number) == [number, number]
        untilServedBy(number, program.pids)

    def test_whileRunning(self, program: Program) -> None:
        """
        Workers that ask for any port at different times get the same one.
        """
        one, other = program.workers
        port = one.do("listen", 0)
        untilServedBy(port, {one.pid})
        assert other.do("listen", 0) == port
        untilServedBy(port, program.pids)

    def test_twice(self, program: Program) -> None:
        """
        What a worker has already it cannot have once more.
        """
        one, other = program.workers
        port = one.do("listen", 0)
        assert one.do("listen", port) == TAKEN
        assert other.do("listen", port) == port
        assert other.do("listen", port) == TAKEN
        untilServedBy(port, program.pids)

    def test_reusePort(self, program: Program) -> None:
        """
        Sockets that share their port by C{SO_REUSEPORT} are the workers' own.
        """
        one, other = program.workers
        port = one.do("listenAlone", 0)
        assert set(pidsAt(port, 4)) == {one.pid}
        another = other.do("listenAlone", 0)
        assert another != port
        assert other.do("listenAlone", port) == port
        until(lambda: set(pidsAt(port, 4)) == program.pids, "both accept")
        program.assertWorkersOwn(port, another)

    def test_onBehalfOfAClient(self, program: Program) -> None:
        """
        What a worker opens while it serves a client is its own.
        """
        ports = program.everywhere("now", "listen", 0)
        assert len(set(ports)) == len(ports)
        for port, worker in zip(ports, program.workers, strict=True):
            assert set(pidsAt(port, 3)) == {worker.pid}
        program.assertWorkersOwn(*ports)


class TestClosing:
    """
    C{stopListening} in a worker.
    """

    def test_andListenAgain(self, program: Program) -> None:
        """
        The port is free as soon as it is said to be closed.
        """
        one, _ = program.workers
        port = one.do("listen", 0)
        for _ in range(20):
            assert one.do("closeAndListen", port) == port
        assert one.do("factory", port) == ["start"]
        untilServedBy(port, {one.pid})

    def test_othersGoOn(self, program: Program) -> None:
        """
        What one worker closes the others still have; it may come back.
        """
        one, other = program.workers
        port = one.do("listen", 0)
        other.do("listen", port)
        untilServedBy(port, program.pids)
        assert one.do("close", port) == "closed"
        assert set(pidsAt(port, 4)) == {other.pid}
        assert one.do("listen", port) == port
        untilServedBy(port, program.pids)

    def test_byAll(self, program: Program) -> None:
        """
        What all workers have closed is closed: nobody answers, and anybody may
        have it.
        """
        one, other = program.workers
        port = one.do("listen", 0)
        other.do("listen", port)
        assert program.everywhere("close", port) == ["closed", "closed"]
        with pytest.raises(ConnectionRefusedError):
            connect(port)
        with socket.create_server(("127.0.0.1", port)):
            assert one.do("listen", port) == TAKEN


class TestPausing:
    """
    C{pauseProducing} of a worker's port.
    """

    def test_byOne(self, program: Program) -> None:
        """
        The other workers get its connections, until it accepts again.
        """
        one, other = program.workers
        port = one.do("listen", 0)
        other.do("listen", port)
        untilServedBy(port, program.pids)
        one.do("pause", port)
        assert set(pidsAt(port, 6)) == {other.pid}
        one.do("resume", port)
        untilServedBy(port, program.pids)

    def test_byAll(self, program: Program) -> None:
        """
        Connections wait for whoever accepts first.
        """
        one, other = program.workers
        port = one.do("listen", 0)
        other.do("listen", port)
        untilServedBy(port, program.pids)
        program.everywhere("pause", port)
        clients = [connect(port) for _ in range(3)]
        other.do("resume", port)
        assert {pidOf(client) for client in clients} == {other.pid}


class TestPolicyNone:
    """
    C{--policy none}.
    """

    def test_workersAccept(self) -> None:
        """
        The workers accept by themselves: each does when the others do not.
        """
        with RunningCluster("tcpserver.tac", options=["--policy", "none"]) as cluster:
            pids = set(cluster.workerPIDs().values())
            assert set(pidsOfAnswers(cluster.port, 4)) <= pids
            for pid in pids:
                with standingStill([*(pids - {pid}), cluster.pid]):
                    assert set(pidsOfAnswers(cluster.port, 2)) == {pid}


class TestBind:
    """
    C{--bind}.
    """

    def test_early(self, tmp_path: Path) -> None:
        """
        The ports are open before any worker is started, and what the workers
        ask for is these; whoever connects early waits, and is served.
        """
        path = tmp_path / "socket"
        with RunningCluster(
            *(os.path.join("sample", "program.py"),),
            options=[
                *("--bind", "tcp:0:interface=127.0.0.1"),
                *("--bind", f"unix:{path}:mode=600"),
            ],
            wait=False,
        ) as cluster:
            cluster.waitForLine("listening on unix")
            assert path.is_socket()
            client = connect(cluster.port)
            answer = json.loads(readAll(client))
            assert answer["pid"] in cluster.workerPIDs().values()
            cluster.waitForWorkers()
            opened, started = (
                next(i for i, line in enumerate(cluster.log.lines) if word in line)
                for word in ("listening on unix", "worker 1 started")
            )
            assert opened < started
            assert len(cluster.ports) == 1
            pids = cluster.workerPIDs().values()
            until(
                lambda: set(pidsOfAnswers(cluster.port, 2)) == set(pids),
                "both workers serve",
            )
        assert not path.exists()

    def test_portInUse(self) -> None:
        """
        A port that somebody else has is reported, and the command fails before
        any worker is started.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            description = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            with RunningCluster(
                "tcpserver.tac", options=["--bind", description], wait=False
            ) as cluster:
                assert cluster.waitForExit() == 1
        cluster.waitForLine("Address already in use")
        assert cluster.log.matches("worker [0-9]+ started") == []
