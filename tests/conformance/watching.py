"""
What cases about the life of workers have in common: watching it, from the
primary and from outside.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import same, saw

LIFE = ("online", "listening", "disconnect", "exit")


def watch(worker: Any) -> None:
    """
    Tell the test of each event of a worker's life, as the worker's observers and
    the cluster's have it: its name, its arguments, and what the worker says of
    itself then.
    """
    for name in LIFE:
        worker.on(name, _telling("worker", name, worker))
        cluster.on(name, _telling("cluster", name, worker))


def _telling(who: str, name: str, worker: Any) -> Callable[..., None]:
    def tell(*what: Any) -> None:
        if who == "cluster":
            which, *what = what  # type: ignore[assignment]
            if which is not worker:
                return
        if name == "listening":
            what = ()
        saw(who, [name, *what, worker.state, worker.exitedAfterDisconnect])
        if name == "disconnect":
            same(worker.isConnected(), False)
        same(worker.isDead(), name == "exit")
        same(worker.id in cluster.workers, name != "exit")

    return tell


def life(exit: list[Any], exitedAfterDisconnect: bool) -> list[list[Any]]:
    """
    @param exit: The arguments of C{exit}.

    @return: What L{watch} tells of a worker that listens, and then ends.
    """
    return [
        ["online", "online", None],
        ["listening", "listening", None],
        ["disconnect", "disconnected", exitedAfterDisconnect],
        ["exit", *exit, "dead", exitedAfterDisconnect],
    ]


def isGone(pid: int) -> bool:
    """
    Whether there is no such process any more.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def endsSoon(pid: int, patience: float = 10.0) -> bool:
    """
    @return: Whether a process, which need not be a child of this one, has ended
        or does so in the time.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        # A dead process that nobody has waited for counts as ended.
        readable, _, _ = select.select([process], [], [], patience)
        return bool(readable)
    finally:
        os.close(process)
