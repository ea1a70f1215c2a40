"""
Workers that have some ports together, and one each for itself.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import happening, saw, sawExit
from tests.conformance.sockets import freePorts, refusal

Listen = Callable[[int], Any]

SHARING = {
    "listened": [["", "", ""], ["", "", "EADDRINUSE"]],
    "exit": [[0, None]] * 2,
}
"""
What is seen: only what the first worker has for itself is refused to the second.
"""


async def startOneByOne(kind: int = socket.SOCK_STREAM) -> None:
    """
    In the primary, start one worker after the other, and end them.
    """
    shared, exclusive = freePorts(2, kind)
    variables = {"SHARED": str(shared), "EXCLUSIVE": str(exclusive)}
    workers = []
    for _ in range(2):
        workers.append(cluster.fork(variables))
        await happening(workers[-1], "message")
    for one in workers:
        one.disconnect()
        await sawExit(one)


def listenOnAll(listen: Listen) -> None:
    """
    In a worker, listen on ports that are shared, and on one that is not.

    @param listen: Listens on a port of a number.
    """
    itself = cluster.worker
    assert itself is not None

    def listenOnOwn(number: int) -> None:
        # Nobody else closes it, and it has to be closed for the worker to end.
        itself.on("disconnect", listen(number).stopListening)

    refusals = [refusal(listen, int(number)) for number in (0, os.environ["SHARED"])]
    with itself.exclusive():
        refusals.append(refusal(listenOnOwn, int(os.environ["EXCLUSIVE"])))
    saw("listened", refusals)
    itself.send("done")
