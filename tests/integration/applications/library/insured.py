"""
A worker loses its channel, and then its life, while it has two insured connections,
of which it has touched one.
"""

from __future__ import annotations

import socket

from twisted.internet import defer, protocol, reactor, task, threads

import twisted_cluster as cluster
from twisted_cluster.settings import HandoffSettings, SupervisionSettings

TIMEOUT = 10


class Answering(protocol.Protocol):
    """
    Says who it is, and what it has read.
    """

    def connectionMade(self):
        """
        It was given a connection.
        """
        if cluster.worker.isConnected():
            cluster.worker.send("taken")

    def dataReceived(self, data):
        """
        It has touched it.
        """
        self.transport.write(b"worker %d read %b" % (cluster.worker.id, data))


def read(client):
    """
    Wait for what comes.
    """
    try:
        return client.recv(100)
    except ConnectionResetError:
        return b""


async def primary(reactor):
    """
    The story.
    """
    owner = cluster.Cluster(
        reactor,
        handoff=HandoffSettings(insured=True),
        # It goes on with its clients.
        supervision=SupervisionSettings(orphanTime=60),
    )
    first = owner.fork()
    taken = defer.DeferredQueue()
    first.on("message", lambda message, handle: taken.put(message))
    address = await first.whenListening()
    touched, untouched = (
        socket.create_connection((address.address, address.port), TIMEOUT)
        for _ in range(2)
    )
    await taken.get()
    await taken.get()
    first.process.disconnect()
    await first.whenDisconnected()
    second = owner.fork()
    await second.whenListening()
    touched.sendall(b"half")
    print((await threads.deferToThread(read, touched)).decode())
    first.process.kill("SIGKILL")
    await first.whenExited()
    print("touched:", await threads.deferToThread(read, touched))
    untouched.sendall(b"all")
    print((await threads.deferToThread(read, untouched)).decode())
    touched.close()
    untouched.close()
    await owner.disconnect()


if cluster.isPrimary:
    task.react(primary)
else:
    factory = protocol.Factory.forProtocol(Answering)
    reactor.listenTCP(0, factory, interface="127.0.0.1")
    reactor.run()
