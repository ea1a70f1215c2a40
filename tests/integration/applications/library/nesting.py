"""
Clusters in a cluster: what a worker starts is a primary again, and a worker can
have a C{Cluster} of its own.  All innermost workers say where they are.
"""

from __future__ import annotations

import os
import sys

from twisted.internet import defer, endpoints, protocol, reactor, task, utils

import twisted_cluster as cluster

DEPTH = int(os.environ.get("DEPTH", "0"))


async def ask(owner, **variables):
    """
    Have a cluster of two workers that listen, and ask one of them through their
    port.
    """
    workers = [owner.fork({"DEPTH": DEPTH + 1, **variables}) for _ in range(2)]
    [address, other] = await defer.gatherResults(
        [worker.whenListening() for worker in workers]
    )
    endpoint = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", address.port)
    said = defer.Deferred()
    await endpoints.connectProtocol(endpoint, Hearing(said))
    answer = await said
    await owner.disconnect()
    return f"{address.port == other.port} {answer}"


class Hearing(protocol.Protocol):
    """
    Hears a line.
    """

    def __init__(self, said):
        self.said = said
        self.heard = b""

    def dataReceived(self, data):
        """
        Keep it.
        """
        self.heard += data

    def connectionLost(self, reason):
        """
        That was all.
        """
        self.said.callback(self.heard.decode())


class Saying(protocol.Protocol):
    """
    Says what the worker knows.
    """

    def connectionMade(self):
        """
        Find out, and say it.
        """
        defer.ensureDeferred(self.say())

    async def say(self):
        """
        The inner cluster is a program of its own, or an object of the worker's.
        """
        words = f"worker at {DEPTH}"
        how = os.environ["HOW"]
        if DEPTH == 1 and how == "program":
            inner = [sys.executable, *sys.argv]
            output, _, status = await utils.getProcessOutputAndValue(
                inner[0], inner[1:], env=os.environ
            )
            words += f", inside: {status} {output.decode().strip()}"
        elif DEPTH == 1:
            words += f", inside: {await ask(cluster.Cluster(reactor))}"
        self.transport.write(words.encode())
        self.transport.loseConnection()


async def primary(reactor):
    """
    Print what one of the workers says.
    """
    ways = [os.environ["HOW"]] if DEPTH else ["program", "object"]
    for how in ways:
        print(await ask(cluster, HOW=how))


if cluster.isPrimary:
    task.react(primary)
else:
    factory = protocol.Factory.forProtocol(Saying)
    reactor.listenTCP(0, factory, interface="127.0.0.1")
    reactor.run()
