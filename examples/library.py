"""
A program that starts its workers itself, and replaces each that ends.

Run by hand it is the primary; its workers run the same file with the same
arguments, and find that they are workers::

    $ python library.py tcp:8080
    worker 1 listens on port 8080
    worker 2 listens on port 8080
    worker 3 listens on port 8080
    worker 4 listens on port 8080

Each connection is another worker's, as long as there are more::

    $ cat < /dev/tcp/127.0.0.1/8080; cat < /dev/tcp/127.0.0.1/8080
    process 4711
    process 4712

A worker that is killed is missed by nobody::

    $ kill -KILL 4711; cat < /dev/tcp/127.0.0.1/8080
    process 4713
"""

from __future__ import annotations

import os
import sys

from twisted.internet import endpoints, reactor
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Factory, Protocol

import twisted_cluster as cluster


class ProcessNumber(Protocol):
    """
    Tells which process answers.
    """

    transport: ITransport

    def connectionMade(self) -> None:
        """
        Tell it, and hang up.
        """
        self.transport.write(b"process %d\n" % os.getpid())
        self.transport.loseConnection()


if cluster.isPrimary:
    for _ in range(4):
        cluster.fork()
    cluster.on("exit", lambda worker, code, signal: cluster.fork())
    cluster.on(
        "listening",
        lambda worker, address: print(
            f"worker {worker.id} listens on port {address.port}", flush=True
        ),
    )
else:
    endpoint = endpoints.serverFromString(reactor, sys.argv[1])
    endpoint.listen(Factory.forProtocol(ProcessNumber))
reactor.run()
