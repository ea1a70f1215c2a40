"""
A primary and its workers with more to say to each other than a channel takes at once,
while the workers serve clients: each is told the process id of who serves it.

The argument is what is said:

  - C{large}: a message of 100 MB to the only worker, and one back, at the same time;
  - C{deaf}: many messages to the second of two workers, which stands still and serves
    nobody.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from twisted.internet.defer import DeferredList
from twisted.internet.protocol import Factory, Protocol

import twisted_cluster as cluster

LARGE = 100_000_000
COUNT = 50_000


def say(*words: object) -> None:
    """
    Print a line at once.
    """
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


class Server(Protocol):
    """
    Says who serves, and counts whom.
    """

    served = 0

    def connectionMade(self) -> None:
        """
        Say it.
        """
        Server.served += 1
        assert self.transport is not None
        self.transport.write(b"%d\n" % os.getpid())
        self.transport.loseConnection()


def primary(reactor: Any, what: str) -> None:
    """
    Start the workers, and talk to them when they listen.
    """
    workers = [cluster.fork() for _ in range(2 if what == "deaf" else 1)]
    up: Any = DeferredList([workers[0].whenListening(), workers[-1].whenOnline()])

    def talk(results: Any) -> None:
        say("port", results[0][1].port)
        worker = workers[-1]
        if what == "large":
            worker.on("message", lambda message, _: say("back", len(message)))
            sent = [worker.send("x" * LARGE)]
        else:
            assert worker.process.pid is not None
            os.kill(worker.process.pid, signal.SIGSTOP)
            sent = [worker.send([number, "x" * 500]) for number in range(COUNT)]
            say("stands still", worker.process.pid)
        said: Any = DeferredList(sent)
        said.addCallback(
            lambda results: say("delivered", sum(done for done, _ in results))
        )

    up.addCallback(talk)


def worker(reactor: Any, what: str) -> None:
    """
    Serve, and hear what the primary says.
    """
    me: Any = cluster.worker
    if what == "large":
        me.send("y" * LARGE)
    heard: list[int] = []

    def received(message: Any, handle: object) -> None:
        if what == "large":
            say("served", Server.served, "before", len(message))
            return
        heard.append(message[0])
        if len(heard) == COUNT:
            say("in order", heard == list(range(COUNT)))

    me.on("message", received)
    if me.id == 1:
        reactor.listenTCP(0, Factory.forProtocol(Server), interface="127.0.0.1")


def main() -> None:
    """
    Be one or the other.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    part = primary if cluster.isPrimary else worker
    reactor.callWhenRunning(part, reactor, sys.argv[1])
    reactor.run()


if __name__ == "__main__":
    main()
