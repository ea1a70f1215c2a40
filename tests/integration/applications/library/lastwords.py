"""
Workers that send many messages just before they end, each in another way; the
primary prints for each how it ended, and what arrived.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict

from twisted.internet import reactor

import twisted_cluster as cluster

COUNT = 5000
BLOCK = "x" * 1_000_000
WAYS = (
    "sys.exit",
    "exception",
    "stopping",
    "stopped",
    "reactor.stop",
    "disconnect",
    "kill",
)


def primary() -> None:
    """
    Start a worker for each way to end.
    """
    arrived: dict[int, list[object]] = defaultdict(list)
    cluster.on("message", lambda worker, message, _: arrived[worker.id].append(message))

    def exited(worker, code, signal):
        inOrder = arrived[worker.id] == [BLOCK, *range(COUNT)]
        print(f"{way[worker.id]}: {code}, {signal}, all in order: {inOrder}")
        if not cluster.workers:
            reactor.stop()

    cluster.on("exit", exited)
    way = {cluster.fork({"WAY": way}).id: way for way in WAYS}


def sayAll() -> None:
    """
    Send, and wait for nothing.
    """
    # The kernel does not take all of it at once.
    cluster.worker.send(BLOCK)
    for number in range(COUNT):
        cluster.worker.send(number)


def worker(way: str) -> None:
    """
    Speak and end.
    """
    if way == "sys.exit":
        sayAll()
        sys.exit(3)
    if way == "exception":
        sayAll()
        raise RuntimeError("a mistake")
    if way == "stopped":
        reactor.callWhenRunning(reactor.stop)
        reactor.run()
        sayAll()
        sys.exit()
    if way == "stopping":
        # Nothing that it writes is gone before the reactor closes everything.
        reactor.addSystemEventTrigger("before", "shutdown", sayAll)
        reactor.callWhenRunning(reactor.stop)
        return
    end = {
        "reactor.stop": reactor.stop,
        "disconnect": cluster.worker.disconnect,
        "kill": cluster.worker.kill,
    }[way]
    reactor.callWhenRunning(lambda: (sayAll(), end()))


if cluster.isPrimary:
    primary()
else:
    worker(os.environ["WAY"])
reactor.run()
