"""
A cluster that keeps a ledger of what its workers did, and the clients that ask it.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.integration.asking import HOST, readAll
from tests.integration.running import TIMEOUT, RunningCluster, until

PROGRAM = os.path.join(os.path.dirname(__file__), "applications", "ledger.py")


class LedgerCluster(RunningCluster):
    """
    A cluster of the program.
    """

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        workers: int = 2,
        options: Sequence[str] = (),
    ) -> None:
        """
        @param directory: Where the ledger is to be.
        """
        self._ledger = directory / "ledger"
        super().__init__(
            PROGRAM,
            "tcp:0:backlog=1000:interface=127.0.0.1",
            str(self._ledger),
            *arguments,
            workers=workers,
            options=options,
        )

    def connect(self) -> socket.socket:
        """
        Connect a client.
        """
        return socket.create_connection((HOST, self.port), TIMEOUT)

    def send(self, line: str) -> socket.socket:
        """
        Connect, and send a line.
        """
        client = self.connect()
        client.sendall(line.encode() + b"\n")
        return client

    def sendAll(self, numbers: Iterable[int]) -> list[socket.socket]:
        """
        One client for each number.
        """
        return [self.send(str(number)) for number in numbers]

    def served(self) -> Counter[int]:
        """
        How often each number was served.
        """
        return Counter(
            int(words[2]) for words in self._entries() if words[1] == "served"
        )

    def waitForMore(self, count: int) -> None:
        """
        Wait until more than so many were served.
        """
        until(lambda: self.served().total() > count, f"more than {count} are served")

    def taken(self, pid: int) -> int:
        """
        How many connections came to a process.
        """
        return sum(words == [str(pid), "took"] for words in self._entries())

    def _entries(self) -> list[list[str]]:
        """
        The ledger's lines.
        """
        return [line.split() for line in self._ledger.read_text().splitlines()]


def answersOf(clients: Iterable[socket.socket]) -> Counter[int]:
    """
    Wait until every client has its answer.

    @return: How often each process answered.
    """
    return Counter(int(readAll(client)) for client in clients)
