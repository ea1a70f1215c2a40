"""
A worker that sends the port on which it listens to the primary, which serves on it
when no worker does.  The argument says why: the worker has closed it, or has left, or
was killed, with a successor that closes it or without one.
"""

from __future__ import annotations

import os
import sys

from twisted.internet import defer, endpoints, protocol, reactor, task

import twisted_cluster as cluster


class Saying(protocol.Protocol):
    """
    Says which process serves.
    """

    def connectionMade(self):
        """
        Say it.
        """
        self.transport.write(b"%d" % os.getpid())
        self.transport.loseConnection()


class Reading(protocol.Protocol):
    """
    Reads to the end.
    """

    def __init__(self):
        """
        Nothing was read yet.
        """
        self.data = b""
        self.ended = defer.Deferred()

    def dataReceived(self, data):
        """
        Keep it.
        """
        self.data += data

    def connectionLost(self, reason):
        """
        That was all.
        """
        self.ended.callback(self.data)


FACTORY = protocol.Factory.forProtocol(Saying)


async def primary(reactor):
    """
    Serve when no worker has the port any more.
    """
    worker = cluster.fork()
    number, received = await worker.when("message")
    await worker.when("message")
    if sys.argv[1] == "left":
        await worker.disconnect()
    elif sys.argv[1] != "closed":
        worker.process.kill("SIGKILL")
        await worker.whenExited()
    if sys.argv[1] == "succeeded":
        # The port was kept for this one, which closes it.
        successor = cluster.fork({"PORT": number})
        await successor.when("message")
    port = await received.listen(FACTORY)
    target = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", number)
    reading = await endpoints.connectProtocol(target, Reading())
    said = await reading.ended
    print("the primary serves:", int(said) == os.getpid())
    await port.stopListening()
    await cluster.disconnect()


async def worker(reactor):
    """
    Give the port away.
    """
    number = int(os.environ.get("PORT", "0"))
    port = reactor.listenTCP(number, FACTORY, interface="127.0.0.1")
    if not number:
        cluster.worker.send(port.getHost().port, port)
    if number or sys.argv[1] == "closed":
        await port.stopListening()
    cluster.worker.send("done")


if cluster.isPrimary:
    task.react(primary)
else:
    reactor.callWhenRunning(lambda: defer.Deferred.fromCoroutine(worker(reactor)))
    reactor.run()
