"""
Workers that listen on a name that is no path, with the policy that is the argument;
the primary connects until each has answered.
"""

from __future__ import annotations

import os
import socket
import sys

from twisted.internet import defer, protocol, reactor, task, threads

import twisted_cluster as cluster


def answer(name):
    """
    Connect once; it blocks.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(name)
        return int(client.recv(10))


async def primary(reactor):
    """
    Connect often.
    """
    name = f"\0twisted-cluster-{os.getpid()}"
    one = cluster.Cluster(reactor, schedulingPolicy=sys.argv[1])
    workers = [one.fork({"NAME": name[1:]}) for _ in range(2)]
    addresses = await defer.gatherResults([each.whenListening() for each in workers])
    print("listening:", {each.address == name for each in addresses})
    answers = set()
    while len(answers) < len(workers):
        answers.add(await threads.deferToThread(answer, name))
    print("answered:", sorted(answers))
    await one.disconnect()
    try:
        answer(name)
    except ConnectionRefusedError:
        print("closed")


class Saying(protocol.Protocol):
    """
    Says the worker's number, slowly enough for the other one to be asked, too.
    """

    def connectionMade(self):
        """
        Say it.
        """
        reactor.callLater(0.01, self.say)

    def say(self):
        """
        Now.
        """
        self.transport.write(b"%d" % cluster.worker.id)
        self.transport.loseConnection()


if cluster.isPrimary:
    task.react(primary)
else:
    reactor.listenUNIX("\0" + os.environ["NAME"], protocol.Factory.forProtocol(Saying))
    reactor.run()
