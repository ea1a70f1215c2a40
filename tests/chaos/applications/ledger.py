"""
A program that writes down what it does for each client, so that it is known even
when it is killed.

Its arguments are an endpoint, and the ledger's path.  Each client sends a number in
one line, and is told the process id.  Words before the number change that: C{block
SECONDS} has the process do nothing else for so long first.  With the third argument
C{hold} the first worker never touches a connection.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, cast

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

import twisted_cluster as cluster


class Ledger(Factory):
    """
    Appends lines to a file, one C{write} each.
    """

    noisy = False

    def __init__(self, path: str, holds: bool) -> None:
        self.holds = holds
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def buildProtocol(self, address: object) -> Entry:
        """
        One for each client.
        """
        return Entry(self)

    def write(self, *words: object) -> None:
        """
        Write down who did what.
        """
        os.write(self._file, " ".join(map(str, [os.getpid(), *words])).encode() + b"\n")


class Entry(LineReceiver):
    """
    Serves a client.
    """

    delimiter = b"\n"

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def connectionMade(self) -> None:
        """
        Write down that somebody came.
        """
        if self._ledger.holds:
            cast(Any, self.transport).pauseProducing()
        self._ledger.write("took")

    def lineReceived(self, line: bytes) -> None:
        """
        Do as the client says.
        """
        *words, number = line.decode().split()
        if words[:1] == ["block"]:
            time.sleep(float(words[1]))
        self._ledger.write("served", number)
        self.sendLine(b"%d" % os.getpid())
        cast(ITCPTransport, self.transport).loseConnection()


def main() -> None:
    """
    Listen.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    description, path, *more = sys.argv[1:]
    isFirst = cluster.worker is not None and cluster.worker.id == 1
    ledger = Ledger(path, "hold" in more and isFirst)
    serverFromString(reactor, description).listen(ledger)
    reactor.run()


if __name__ == "__main__":
    main()
