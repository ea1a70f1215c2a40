"""
A primary that says something and has its worker leave at once, in several ways; it
prints what the worker heard, and what the primary was told of it.
"""

from __future__ import annotations

import os
import socket

from twisted.internet import defer, reactor, task

import twisted_cluster as cluster

LARGE = 800_000


def say(*words: object) -> None:
    """
    Print a line at once: several processes write to one pipe.
    """
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


async def outcome(said) -> str:
    """
    What the primary is told of what it said.
    """
    try:
        return str(await said or "delivered")
    except Exception as e:
        return type(e).__name__


async def primary(reactor) -> None:
    """
    Part from several workers.
    """
    cluster.on("exit", lambda worker, code, signal: say("exit", code, signal))

    async def ready(way: str = ""):
        worker = cluster.fork({"WAY": way})
        assert await worker.ask("Are you ready?") == "yes"
        return worker

    async def part(name: str, worker, *said) -> None:
        worker.disconnect()
        outcomes = {await outcome(each) for each in said}
        await worker.whenExited()
        say(name, outcomes)

    worker = await ready()
    await part("small", worker, worker.send("small"))
    worker = await ready()
    await part("large", worker, worker.send("x" * LARGE), worker.send("small"))
    worker = await ready()
    one, other = socket.socketpair()
    await part("with a handle", worker, worker.send("x" * LARGE, one))
    other.close()
    worker = await ready()
    await part("many", worker, *[worker.send(n) for n in range(20_000)])
    worker = await ready()
    await part("slow answer", worker, worker.ask("slowly"))
    worker = await ready("deaf")
    await part("nobody listens", worker, worker.send("small"))
    worker = await ready("going")
    said = [worker.send("x" * LARGE), worker.send("small")]
    await part("it goes by itself", worker, *said)
    workers = [await ready() for _ in range(2)]
    told = cluster.broadcast("x" * LARGE)
    await cluster.disconnect()
    say("broadcast", [delivered for delivered, _ in await told], len(workers))


def worker() -> None:
    """
    Print how much was heard, when it is certain that nothing more is.
    """
    heard: list[object] = []
    itself = cluster.worker

    def answer(question):
        if question == "slowly":
            return task.deferLater(reactor, 0.2, lambda: "at last")
        return "yes"

    def hear(message, handle):
        heard.append(message)
        if handle is not None:
            handle.close()
        if os.environ["WAY"] == "going" and len(heard) == 1:
            itself.disconnect()

    itself.answer(answer)
    if os.environ["WAY"] != "deaf":
        itself.on("message", hear)
    itself.on("disconnect", lambda: say("heard", len(heard)))


if cluster.isPrimary:
    task.react(lambda reactor: defer.ensureDeferred(primary(reactor)))
else:
    worker()
    reactor.run()
