"""
A primary and a worker that send a message back and forth, as programs do that use
the library.

Usage: messages.py SERIALIZATION OUTSTANDING SIZE COUNT

Prints JSON: how many seconds COUNT round trips took with OUTSTANDING of them
under way, and how many seconds of processor time each process used.
"""

from __future__ import annotations

import json
import sys
import time

from twisted.internet import reactor  # noqa: TID253

import twisted_cluster as cluster

USED = "How much processor time did you use?"


def primary(serialization: str, outstanding: int, size: int, count: int) -> None:
    """
    Measure.
    """
    cluster.setupPrimary(serialization=serialization)
    worker = cluster.fork()
    message = {"n": 1, "s": "x" * size}
    received = 0
    begun = seconds = primaryUsed = workerUsed = 0.0

    def onUsed(used: float) -> None:
        nonlocal begun, primaryUsed, workerUsed
        if not begun:
            workerUsed = used
            begun, primaryUsed = time.monotonic(), time.process_time()
            for _ in range(outstanding):
                worker.send(message)
            return
        result = {
            "seconds": seconds,
            "primary": primaryUsed,
            "worker": used - workerUsed,
        }
        print(json.dumps(result))
        reactor.stop()

    def onMessage(answer: object, handle: object) -> None:
        nonlocal received, seconds, primaryUsed
        if isinstance(answer, float):
            onUsed(answer)
            return
        received += 1
        if received == count:
            seconds = time.monotonic() - begun
            primaryUsed = time.process_time() - primaryUsed
            worker.send(USED)
        elif received <= count - outstanding:
            worker.send(message)

    worker.on("message", onMessage)
    worker.on("online", lambda: worker.send(USED))
    reactor.run()


def worker() -> None:
    """
    Send back what comes.
    """
    me = cluster.worker
    assert me is not None

    def onMessage(message: object, handle: object) -> None:
        me.send(time.process_time() if message == USED else message)

    me.on("message", onMessage)
    reactor.run()


if __name__ == "__main__":
    if cluster.isPrimary:
        primary(sys.argv[1], *map(int, sys.argv[2:]))
    else:
        worker()
