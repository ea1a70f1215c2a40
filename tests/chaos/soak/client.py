"""
The load: connections that know what they must be answered.

One process, one epoll, plain sockets.  It keeps a given number of connections
open until its standard input ends, then waits for those that are left.  Once a
second it writes how many have ended so far, and what number is next.

    python -m tests.chaos.soak.client PORT OUTCOMES FIRST CONCURRENCY
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

from tests.chaos.soak.ledgers import Outcome, OutcomeLedger
from tests.chaos.soak.numbering import LIMIT, Manner, mannerOf, sourceOf

DEADLINE = 30.0
"""
Seconds after which a connection that has not ended hangs.  Longer than any fault
lasts, so that no noise on the machine is taken for a fault.
"""

DELAY = 0.02
"""
Seconds by which some requests come late.
"""

_ANSWER = re.compile(rb"(?:hello (\d+)\n)?(?:(\d+) (\d+)\n)?")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_ERRORS = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
}


class _Connection:
    """
    One connection.

    @ivar request: What it has still to send.
    """

    __slots__ = ("begunAt", "number", "received", "request", "socket")

    def __init__(self, number: int, begunAt: float) -> None:
        self.number = number
        self.begunAt = begunAt
        self.received = b""
        self.request = b""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)


class Load:
    """
    All connections of this process.

    @ivar finished: How many have ended.
    """

    def __init__(
        self,
        port: int,
        ledger: OutcomeLedger,
        first: int,
        concurrency: int,
        output: int = 1,
    ) -> None:
        """
        @param first: The number of the first connection.
        @param concurrency: How many to keep open.
        @param output: The descriptor to tell on how far it is.
        """
        self.finished = 0
        self._port = port
        self._output = output
        self._ledger = ledger
        self._next = first
        self._concurrency = concurrency
        self._epoll = select.epoll()
        self._open: dict[int, _Connection] = {}
        # In the order in which they began, so the oldest are in front.
        self._begun: deque[_Connection] = deque()
        self._late: deque[_Connection] = deque()
        self._limit = min(LIMIT, len(ledger))

    def run(self, stopping: int) -> None:
        """
        Connect until the descriptor C{stopping} can be read.
        """
        self._epoll.register(stopping, select.EPOLLIN)
        enough = False
        told = time.monotonic()
        while self._open or not enough:
            while (
                not enough
                and len(self._open) < self._concurrency
                and self._next < self._limit
            ):
                self._begin(self._next)
                self._next += 1
            for descriptor, events in self._epoll.poll(DELAY):
                if descriptor == stopping:
                    enough = True
                    self._epoll.unregister(stopping)
                elif descriptor in self._open:
                    self._happened(self._open[descriptor], events)
            now = time.monotonic()
            self._actLate(now)
            self._giveUpOn(now - DEADLINE)
            if now - told > 1 or (enough and not self._open):
                told = now
                os.write(self._output, b"%d %d\n" % (self.finished, self._next))

    def _begin(self, number: int) -> None:
        """
        Connect.
        """
        connection = _Connection(number, time.monotonic())
        client = connection.socket
        # The address may be that of somebody else's who waits, or of one that
        # is over.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            client.bind(sourceOf(number))
        except OSError:
            # Somebody listens on this port on every address: no number of ours.
            client.close()
            return
        failure = client.connect_ex(("127.0.0.1", self._port))
        self._ledger.write(number, Outcome.OPEN, 0, connection.begunAt, 0.0)
        self._open[client.fileno()] = connection
        if failure not in (0, errno.EINPROGRESS):
            self._end(connection, _ERRORS.get(failure, Outcome.FAILED))
            return
        self._epoll.register(client.fileno(), select.EPOLLIN)
        self._begun.append(connection)
        connection.request = b"%d\n" % number
        manner = mannerOf(number)
        if manner is Manner.GIVEN_UP:
            self._giveUp(connection)
        elif manner in (Manner.LATE, Manner.GIVEN_UP_LATE):
            self._late.append(connection)
        else:
            self._send(connection)

    def _giveUp(self, connection: _Connection) -> None:
        """
        Reset it.
        """
        connection.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
        )
        self._end(connection, Outcome.GIVEN_UP)

    def _send(self, connection: _Connection) -> None:
        """
        Send the request, as far as that can be done now.
        """
        try:
            sent = connection.socket.send(connection.request)
        except BlockingIOError:
            self._epoll.modify(
                connection.socket.fileno(), select.EPOLLIN | select.EPOLLOUT
            )
        except OSError as e:
            self._end(connection, _ERRORS.get(e.errno or 0, Outcome.FAILED))
        else:
            connection.request = connection.request[sent:]

    def _actLate(self, now: float) -> None:
        """
        Do what was put off.
        """
        while self._late and self._late[0].begunAt < now - DELAY:
            connection = self._late.popleft()
            if connection.socket.fileno() not in self._open:
                continue
            if mannerOf(connection.number) is Manner.LATE:
                self._send(connection)
            else:
                self._giveUp(connection)

    def _giveUpOn(self, begunBefore: float) -> None:
        """
        End the connections that hang.
        """
        while self._begun and (
            self._begun[0].begunAt < begunBefore or self._begun[0].socket.fileno() < 0
        ):
            connection = self._begun.popleft()
            if connection.socket.fileno() >= 0:
                self._end(connection, Outcome.HUNG)

    def _happened(self, connection: _Connection, events: int) -> None:
        """
        A connection can be written to, or read from.
        """
        if events == select.EPOLLOUT:
            self._epoll.modify(connection.socket.fileno(), select.EPOLLIN)
            self._send(connection)
            return
        try:
            while data := connection.socket.recv(4096):
                connection.received += data
        except BlockingIOError:
            return
        except OSError as e:
            self._end(connection, _ERRORS.get(e.errno or 0, Outcome.FAILED))
        else:
            self._end(connection, *read(connection.number, connection.received))

    def _end(self, connection: _Connection, outcome: Outcome, worker: int = 0) -> None:
        """
        A connection is over.
        """
        self._ledger.write(
            connection.number, outcome, worker, connection.begunAt, time.monotonic()
        )
        del self._open[connection.socket.fileno()]
        connection.socket.close()
        self.finished += 1


def read(number: int, answer: bytes) -> tuple[Outcome, int]:
    """
    What an answer says that is at its end, and who gave it.
    """
    found = _ANSWER.fullmatch(answer)
    if found is None:
        return Outcome.WRONG, 0
    greeter, echoed, worker = found.groups()
    greeted = mannerOf(number) is Manner.GREETED
    if echoed is None:
        # As far as it goes it may be right.
        return (Outcome.CLOSED if greeted or not greeter else Outcome.WRONG), 0
    right = int(echoed) == number and greeter == (worker if greeted else None)
    return (Outcome.ANSWERED, int(worker)) if right else (Outcome.WRONG, 0)


def main() -> None:
    """
    Run the load that the arguments tell.
    """
    port, outcomes, first, concurrency = sys.argv[1:]
    ledger = OutcomeLedger(Path(outcomes))
    Load(int(port), ledger, int(first), int(concurrency)).run(0)


if __name__ == "__main__":
    main()
