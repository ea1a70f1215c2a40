"""
A primary that replaces every worker that ends, and is stopped.
"""

from __future__ import annotations

import os
import sys

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

import twisted_cluster as cluster
from twisted_cluster.errors import ClusterStopping

PATH = os.environ.get("SOCKET")


def say(*words: object) -> None:
    """
    Print a line at once: two processes write to one pipe.
    """
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def primary() -> None:
    """
    Stop as soon as the workers listen.
    """
    workers = [cluster.fork(), cluster.fork()]
    cluster.on("exit", lambda worker, *exit: say("exit", worker.id, *exit))
    cluster.on("exit", lambda *_: cluster.fork())
    cluster.on("fork", lambda worker: say("fork", worker.id))
    listening = []

    def listens(worker, address):
        listening.append(worker)
        if len(listening) == len(workers) and "stop" in sys.argv:
            reactor.stop()

    cluster.on("listening", listens)
    reactor.addSystemEventTrigger("after", "shutdown", stopped)


def stopped() -> None:
    """
    Even now none can be started; and nothing is left in the file system.
    """
    if PATH:
        say("left:", [os.path.exists(PATH + end) for end in ("", ".lock")])
    try:
        cluster.fork()
    except ClusterStopping as e:
        say(e, cluster.workers)


def worker() -> None:
    """
    Serve until stopped.
    """
    reactor.callWhenRunning(listen)
    reactor.addSystemEventTrigger(
        "after", "shutdown", say, "worker", cluster.worker.id, "ended in order"
    )


def listen() -> None:
    """
    From now on a signal is no end without order.
    """
    factory = Factory.forProtocol(Protocol)
    if PATH:
        reactor.listenUNIX(PATH, factory, wantPID=True)
    else:
        reactor.listenTCP(0, factory, interface="127.0.0.1")
    say("worker", cluster.worker.id, "listens")


if cluster.isPrimary:
    primary()
else:
    worker()
reactor.run()
