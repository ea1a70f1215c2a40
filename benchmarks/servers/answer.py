"""
An ordinary Twisted program: answers each connection with one line and closes it.

Usage: C{answer.py PORT NOTES hello|pid}.  The line is C{hello}, or the number
of the process.  When the process serves, it leaves a file named after its
number in the folder C{NOTES}, which says when its C{listenTCP} had returned.

The same program is run by itself and, unchanged, in the workers of a cluster.
C{answer.js} is its equivalent for Node.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

# Node's default, for both: with Twisted's own 50, 64 clients at once overflow
# the kernel's queue, and what is measured is how long they wait to try again.
BACKLOG = 511


class Answer(Protocol):
    """
    Says its line, and closes.

    @ivar line: What it says.
    """

    def __init__(self, line: bytes) -> None:
        self.line = line

    def connectionMade(self) -> None:
        """
        Answer without waiting for a byte.
        """
        assert self.transport is not None
        self.transport.write(self.line)
        self.transport.loseConnection()


class AnswerFactory(ServerFactory):
    """
    Makes an L{Answer} for each connection.

    @ivar line: What they say.
    """

    noisy = False

    def __init__(self, line: bytes) -> None:
        self.line = line

    def buildProtocol(self, addr: IAddress | None) -> Answer:
        """
        One more connection.
        """
        return Answer(self.line)


def leaveNote(folder: Path, listeningSince: float) -> None:
    """
    Tell whoever started this program that it serves.

    @param listeningSince: When C{listenTCP} returned, by L{time.monotonic}.
    """
    unfinished = folder / f".{os.getpid()}"
    unfinished.write_text(json.dumps({"listeningSince": listeningSince}))
    unfinished.rename(folder / str(os.getpid()))


def main(port: str, notes: str, answer: str) -> None:
    """
    Serve until a signal ends the process.
    """
    from twisted.internet import reactor

    line = b"%d\n" % os.getpid() if answer == "pid" else b"hello\n"
    reactor.listenTCP(
        int(port), AnswerFactory(line), backlog=BACKLOG, interface="127.0.0.1"
    )
    listeningSince = time.monotonic()
    reactor.callWhenRunning(leaveNote, Path(notes), listeningSince)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
