"""
Taking descriptors away from processes that run, and clients that notice.
"""

from __future__ import annotations

import os
import resource
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from tests.integration.asking import connect
from tests.integration.running import TIMEOUT, RunningCluster, until

PROGRAM = os.path.join(os.path.dirname(__file__), "applications", "twoports.py")

NAMES = ("first", "second")


def twoPorts(
    workers: int = 2,
    options: Sequence[str] = (),
    **more: object,
) -> RunningCluster:
    """
    Start a cluster of the program with two ports.
    """
    endpoint = "tcp:0:backlog=500:interface=127.0.0.1"
    cluster = RunningCluster(
        PROGRAM,
        endpoint,
        endpoint,
        workers=workers,
        options=options,
        **more,  # type: ignore[arg-type]
    )
    until(lambda: len(cluster.ports) == 2, "two ports")
    return cluster


def openDescriptors(pid: int) -> set[int]:
    """
    The descriptors that a process has open.
    """
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def lowestFree(pid: int) -> int:
    """
    The number that a process's next descriptor gets.
    """
    taken = openDescriptors(pid)
    return next(number for number in range(len(taken) + 1) if number not in taken)


@contextmanager
def roomFor(pid: int, count: int) -> Iterator[None]:
    """
    Leave a process room for no more than so many descriptors, for a while.
    """
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = openDescriptors(pid)
    free = (number for number in range(before[0]) if number not in taken)
    limit = next(free)
    for _ in range(count):
        limit = next(free)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        # It may have ended meanwhile.
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


class Crowd:
    """
    Clients of both ports, all at the same time.

    @ivar waiting: For each client, the name of its port and its socket.
    """

    def __init__(self, cluster: RunningCluster, count: int) -> None:
        """
        @param count: How many clients each port has.
        """
        self.waiting: list[tuple[str, socket.socket]] = [
            (name, connect(port))
            for _ in range(count)
            for name, port in zip(NAMES, cluster.ports, strict=True)
        ]

    def answers(self) -> Counter[int]:
        """
        Wait until every client is answered.

        @return: How many answers each worker gave, by its process id.

        @raise AssertionError: if one was answered by the wrong port, or cut off.
        """
        pids: Counter[int] = Counter()
        for name, client in self.waiting:
            with client:
                client.settimeout(TIMEOUT)
                answer = b"".join(iter(partial(client.recv, 100), b""))
            found, _, pid = answer.decode().partition(" ")
            assert found == name, f"the {name} port's client was answered {answer!r}"
            pids[int(pid)] += 1
        self.waiting = []
        return pids

    def hearsNothing(self) -> bool:
        """
        Whether every client still waits, and is connected.
        """
        for _, client in self.waiting:
            client.setblocking(False)
            try:
                client.recv(1)
            except BlockingIOError:
                continue
            return False
        return True


def assertKeeps(pid: int, count: int) -> None:
    """
    A process has no more descriptors, in the end, than it had.
    """
    until(
        lambda: len(openDescriptors(pid)) <= count,
        f"process {pid} has {count} descriptors again; it has "
        f"{sorted(openDescriptors(pid))}",
        5.0,
    )
