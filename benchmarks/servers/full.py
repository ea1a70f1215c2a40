"""
Serves few clients at a time, and each for as long as it likes.

Usage: C{full.py PORT NOTES LIMIT}.  Each connection is answered with the number
of the process.  It is closed a moment later, unless the client has said
something; then it stays open until the client closes it.

C{full.js} is its equivalent for Node.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory, Protocol

from benchmarks.servers.answer import BACKLOG, leaveNote

SILENCE = 0.2


class Stay(Protocol):
    """
    Stays, if that is wanted.
    """

    factory: Any

    def connectionMade(self) -> None:
        """
        Answer, and wait a moment.
        """
        assert self.transport is not None
        self.transport.write(b"%d\n" % os.getpid())
        self._closing = self.factory.reactor.callLater(
            SILENCE, self.transport.loseConnection
        )

    def dataReceived(self, data: bytes) -> None:
        """
        The client wants to stay.
        """
        if self._closing.active():
            self._closing.cancel()

    def connectionLost(self, reason: object = None) -> None:
        """
        The client has gone.
        """
        if self._closing.active():
            self._closing.cancel()


def main(port: str, notes: str, limit: str) -> None:
    """
    Serve until a signal ends the process.
    """
    from twisted.internet import reactor as installed

    import twisted_cluster as cluster

    reactor: Any = installed
    factory: Any = Factory.forProtocol(Stay)
    factory.reactor = reactor
    listening = reactor.listenTCP(
        int(port), factory, backlog=BACKLOG, interface="127.0.0.1"
    )
    assert cluster.worker is not None
    cluster.worker.limitConnections(listening, int(limit))
    reactor.callWhenRunning(leaveNote, Path(notes), time.monotonic())
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
