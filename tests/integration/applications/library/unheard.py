"""
A worker whose primary does not observe its messages: it sends many, or ends; the
primary observes them late, or never.
"""

from __future__ import annotations

import resource
import sys

from twisted.internet import defer, reactor, task

import twisted_cluster as cluster

COUNT = 300
BLOCK = "x" * 1_000_000


async def late(reactor):
    """
    Observe the messages when the worker waits for it.
    """
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    worker = cluster.fork()
    await worker.ask("Do you wait?")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print("the flood is here:", grown > 64 * 1024)
    received = []
    worker.on("message", lambda message, handle: received.append(message[0]))
    await worker.whenExited()
    print("all in order:", received == list(range(COUNT)), worker.exitedAfterDisconnect)


async def afterwards(reactor):
    """
    Observe the messages when the worker has ended.
    """
    worker = cluster.fork()
    print("it ended:", await worker.whenExited())
    worker.on("message", lambda message, handle: print("it said:", message))


async def killed(reactor):
    """
    Observe the messages when the worker was killed.
    """
    worker = cluster.fork()
    await worker.ask("Have you said all?")
    worker.kill("SIGKILL")
    await worker.whenExited()
    worker.on("message", lambda message, handle: print("it said:", message))


async def never(reactor):
    """
    Do not observe them at all.
    """
    worker = cluster.fork()
    print("it ended:", await worker.whenExited())


async def flood():
    """
    Send more than may wait, and leave when all was delivered.
    """
    sent = []
    asked = defer.Deferred()
    cluster.worker.answer(lambda question: asked.callback(None))
    sent += [cluster.worker.send([n, BLOCK]) for n in range(COUNT)]
    await asked
    print("delivered before:", sum(each.called for each in sent))
    await defer.gatherResults(sent)
    cluster.worker.disconnect()


def speakAndEnd():
    """
    Send something, and end.
    """
    cluster.worker.send("good bye")
    if sys.argv[1] == "killed":
        cluster.worker.answer(lambda question: "yes")
    elif sys.argv[1] == "afterwards":
        reactor.stop()
    else:
        cluster.worker.disconnect()


if cluster.isPrimary:
    task.react(globals()[sys.argv[1]])
elif sys.argv[1] == "late":
    reactor.callWhenRunning(lambda: defer.ensureDeferred(flood()))
else:
    reactor.callWhenRunning(speakAndEnd)
reactor.run()
