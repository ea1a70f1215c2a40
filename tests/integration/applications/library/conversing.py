"""
A primary and two workers that ask each other, in every way there is.
"""

from __future__ import annotations

import os

from twisted.internet import defer, reactor
from twisted.internet.defer import Deferred
from twisted.protocols import amp

import twisted_cluster as cluster
from twisted_cluster.errors import AnswerFailed


class Leave(amp.Command):
    """
    Add, unless one of them is negative.  A command of the package's is called so, too.
    """

    arguments = [(b"a", amp.Integer()), (b"b", amp.Integer())]
    response = [(b"total", amp.Integer())]
    errors = {ValueError: b"NEGATIVE"}


class Adding(amp.CommandLocator):
    """
    Responds to L{Leave}.
    """

    @Leave.responder
    def sum(self, a, b):
        """
        Add.
        """
        if min(a, b) < 0:
            raise ValueError(f"{min(a, b)} is negative")
        return {"total": a + b}


def say(*words: object) -> None:
    """
    Print a line at once: two processes write to one pipe.
    """
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


async def converse(who, other) -> None:
    """
    Ask the other side.
    """
    say(who, "asks:", await other.ask({"twice": 21}))
    try:
        await other.ask("nonsense")
    except AnswerFailed as e:
        say(who, "is told:", e)
    try:
        await other.ask("for ever", timeout=0.01)
    except defer.TimeoutError:
        say(who, "waits no longer")
    say(who, "commands:", await other.callRemote(Leave, a=1, b=2))
    try:
        await other.callRemote(Leave, a=1, b=-2)
    except ValueError as e:
        say(who, "is refused:", e)


async def answer(question):
    """
    Answer the other side.
    """
    if question == "for ever":
        return await Deferred()
    if question == "nonsense":
        raise AnswerFailed("that makes no sense")
    return question["twice"] * 2


async def primary() -> None:
    """
    Talk to one worker, and to all.
    """
    workers = [cluster.fork() for _ in range(2)]
    heard = []
    done = Deferred()

    def received(worker, message, handle):
        heard.append((worker.id, message))
        if len(heard) == len(workers):
            done.callback(None)

    cluster.on("message", received)
    for worker in workers:
        worker.answer(answer)
        worker.addLocator(Adding())
    await converse("primary", workers[0])
    results = await cluster.broadcast({"for": "all"})
    say("delivered:", [delivered for delivered, _ in results])
    await done
    say("heard:", sorted(heard))
    await cluster.disconnect()
    reactor.stop()


def failed(reason) -> None:
    """
    Say so, and end.
    """
    reason.printTraceback()
    reactor.stop()


def worker() -> None:
    """
    Answer, and when spoken to ask the same, and say so.
    """
    cluster.worker.answer(answer)
    cluster.worker.addLocator(Adding())

    async def received(message):
        if cluster.worker.id == 1:
            await converse("worker", cluster.worker)
        cluster.worker.send(["heard", message])

    cluster.worker.on(
        "message", lambda message, _: Deferred.fromCoroutine(received(message))
    )


if cluster.isPrimary:
    Deferred.fromCoroutine(primary()).addErrback(failed)
else:
    worker()
reactor.run()
