"""
A primary and a worker that take each other's messages one at a time, and do something
in between; one of the two parts them while most of the messages wait.  In C{argv}, how:
C{asked}, C{itself}, C{stopping} or C{killing}.
"""

from __future__ import annotations

import os
import sys

from twisted.internet import defer, reactor, task

import twisted_cluster as cluster

COUNT = 20
PAUSE = 0.01


def say(*words: object) -> None:
    """
    Print a line at once: several processes write to one pipe.
    """
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


async def take(worker, who: str) -> None:
    """
    Take messages as long as there are any.
    """
    received: list[object] = []
    try:
        while True:
            received.append((await worker.when("message"))[0])
            await task.deferLater(reactor, PAUSE)
    except Exception as e:
        complete = received == [*range(COUNT)]
        say(who, "received all" if complete else received, type(e).__name__)


def send(worker, who: str) -> None:
    """
    Send as many.
    """
    sent = [worker.send(each) for each in range(COUNT)]
    defer.DeferredList(sent, consumeErrors=True).addCallback(
        lambda told: say(who, "delivered", sum(each for each, _ in told))
    )


async def primary(reactor) -> None:
    """
    Talk, and part.
    """
    worker = cluster.fork()
    taken = defer.Deferred.fromCoroutine(take(worker, "primary"))
    await worker.ask("Are you ready?")
    send(worker, "primary")
    if sys.argv[1] == "asked":
        worker.disconnect()
    await taken
    await worker.whenExited()


def worker() -> None:
    """
    Talk, and part.
    """
    itself = cluster.worker
    ways = {
        "asked": lambda: None,
        "itself": itself.disconnect,
        "stopping": reactor.stop,
        "killing": itself.kill,
    }

    def answer(question) -> str:
        send(itself, "worker")
        defer.Deferred.fromCoroutine(take(itself, "worker"))
        reactor.callLater(PAUSE, ways[sys.argv[1]])
        return "yes"

    itself.answer(answer)
    reactor.run()


if cluster.isPrimary:
    task.react(primary)
else:
    worker()
