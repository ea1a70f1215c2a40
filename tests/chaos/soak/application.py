"""
What the workers of a soak run: a server that answers each connection with the
number that it sends, and with the worker's own; and that can be told to
misbehave.

    application.py PORT TAKEN
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import defer, protocol, task

import twisted_cluster as cluster
from tests.chaos.soak.ledgers import TakenLedger
from tests.chaos.soak.numbering import Manner, mannerOf, numberOf

DESCRIPTORS = 300
"""
How many a worker may have, so that it is quickly done to use them up.
"""

BACKLOG = 1024
"""
More than there are clients, so that the kernel drops no attempt to connect: that
would cost the client a second, and be nobody's fault.
"""

LATE = 0.03
"""
Seconds by which some answers come late.
"""

WORKER: Any = cluster.worker


class Answering(protocol.Protocol):
    """
    Answers one connection.
    """

    factory: Service
    _received = b""
    _touched = False

    def connectionMade(self) -> None:
        """
        From now on the connection is the application's.
        """
        transport: Any = self.transport
        peer = transport.getPeer()
        self._number = numberOf(peer.host, peer.port)
        if self._number is not None:
            self.factory.ledger.made(self._number, WORKER.id)
            # Written down before anything else hears that there is something to
            # read: an insured worker tells its primary next.
            transport.doRead = partial(self._doRead, transport.doRead)
            if mannerOf(self._number) is Manner.GREETED:
                self._touch(self._number)
                transport.write(b"hello %d\n" % WORKER.id)
        self.factory.happened("made")

    def _doRead(self, doRead: Callable[[], Any]) -> Any:
        """
        Read.
        """
        if self._number is not None:
            self._touch(self._number)
        return doRead()

    def _touch(self, number: int) -> None:
        """
        Write down, once, that something is going to be read or written.
        """
        if not self._touched:
            self._touched = True
            self.factory.ledger.touched(number)

    def dataReceived(self, data: bytes) -> None:
        """
        Answer, if this is all.
        """
        self._received += data
        if self._received.endswith(b"\n"):
            self.factory.happened("read")
            number = int(self._received)
            if mannerOf(number) is Manner.SLOW:
                self.factory.reactor.callLater(LATE, self._answer, number)
            else:
                self._answer(number)

    def _answer(self, number: int) -> None:
        """
        Answer, and be done.
        """
        assert self.transport is not None
        if self._number is not None:
            if number != self._number:
                self.factory.ledger.mixed(self._number)
            self.factory.ledger.replied(self._number)
        self.transport.write(b"%d %d\n" % (number, WORKER.id))
        self.transport.loseConnection()


class Service(protocol.ServerFactory):
    """
    The server, and what can be asked of it.

    @ivar _lastWords: At what it shall end, if at anything.
    @ivar _flood: How many messages came since they were last asked for, and whether
        in order.
    """

    protocol: Any = Answering
    noisy = False

    def __init__(self, reactor: Any, port: int, ledger: TakenLedger) -> None:
        self.reactor = reactor
        self.ledger = ledger
        self._number = port
        self._lastWords = ""
        self._flood = [0, 0]
        self.listen()

    def listen(self) -> None:
        """
        Listen on the port that all workers have.
        """
        self._port = self.reactor.listenTCP(
            self._number, self, backlog=BACKLOG, interface="127.0.0.1"
        )

    def happened(self, what: str) -> None:
        """
        Something happened to a connection.
        """
        if what == self._lastWords:
            os._exit(7)

    def asked(self, order: dict[str, Any]) -> Any:
        """
        Carry out an order.
        """
        return getattr(self, order.pop("do"))(**order)

    async def relisten(self) -> None:
        """
        Close the port, and listen on it again.
        """
        await self._port.stopListening()
        self.listen()

    async def exhaust(self, seconds: float) -> int:
        """
        Open descriptors until there are none left, and close them later.

        @return: How many.
        """
        opened = []
        with suppress(OSError):
            while True:
                opened.append(os.dup(0))
        await task.deferLater(self.reactor, seconds)
        for each in opened:
            os.close(each)
        return len(opened)

    def exit(self, at: str) -> None:
        """
        End at once when something happens to a connection.

        @param at: When it is C{made}, or C{read}.
        """
        self._lastWords = at

    def received(self, message: Any, along: object) -> None:
        """
        A message came.
        """
        count, disorder = self._flood
        self._flood = [count + 1, disorder + (message["number"] != count)]

    def flooded(self) -> list[int]:
        """
        How many messages came since this was last asked, and how many of them
        out of order.
        """
        flood, self._flood = self._flood, [0, 0]
        return flood

    async def flood(self, count: int, size: int) -> None:
        """
        Send many messages.
        """
        await defer.gatherResults(
            [
                WORKER.send({"number": number, "padding": "x" * size})
                for number in range(count)
            ],
            consumeErrors=True,
        )


def main() -> None:
    """
    Run until it is stopped.
    """
    from twisted.internet import reactor

    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    service = Service(reactor, int(sys.argv[1]), TakenLedger(Path(sys.argv[2])))
    WORKER.answer(service.asked)
    WORKER.on("message", service.received)
    running: Any = reactor
    running.run()


if __name__ == "__main__":
    main()
