"""
An ordinary Twisted program that listens and closes again, many times.

Usage: C{listens.py COUNT NOTES}.  It leaves a file named after its number in
the folder C{NOTES}, with the seconds that each C{reactor.listenTCP(0)} and each
C{stopListening} took, and then stays until a signal ends it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure


class Silent(ServerFactory):
    """
    Never builds anything; says nothing when it starts and stops.
    """

    noisy = False


async def listenOften(reactor: IReactorTCP, count: int, notes: Path) -> None:
    """
    Measure, one listen after the other, and leave the note.
    """
    listens: list[float] = []
    closes: list[float] = []
    for _ in range(count):
        begun = time.perf_counter()
        port = reactor.listenTCP(0, Silent(), interface="127.0.0.1")
        listening = time.perf_counter()
        await maybeDeferred(port.stopListening)
        closes.append(time.perf_counter() - listening)
        listens.append(listening - begun)
    unfinished = notes / f".{os.getpid()}"
    unfinished.write_text(json.dumps({"listens": listens, "closes": closes}))
    unfinished.rename(notes / str(os.getpid()))


def main(count: str, notes: str) -> None:
    """
    Measure once the reactor runs, and stay: a worker that ended would be
    started again.
    """
    from twisted.internet import reactor

    def start() -> None:
        measuring = listenOften(reactor, int(count), Path(notes))
        Deferred.fromCoroutine(measuring).addErrback(report)

    def report(reason: Failure) -> None:
        reason.printTraceback(file=sys.stderr)

    reactor.callWhenRunning(start)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
