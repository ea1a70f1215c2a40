"""
The process of the primary, and those of its clients, from outside.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

ROOT = Path(__file__).resolve().parents[3]
TWIN = Path(__file__).with_name("twin.js")


class OrderFailed(Exception):
    """
    An order could not be carried out; mostly since the worker was killed.
    """


class _Lines(ProcessProtocol):
    """
    A process that speaks in lines.
    """

    transport: Any

    def __init__(self, log: BinaryIO) -> None:
        self._log = log
        self._buffer = b""
        self.ended: Deferred[BaseException | None] = Deferred()

    def start(self, reactor: Any, command: Sequence[str]) -> None:
        """
        Start it, as the leader of a session.
        """
        reactor.spawnProcess(
            self,
            command[0],
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            path=str(ROOT),
            childFDs={0: "w", 1: "r", 2: self._log.fileno()},
        )

    @property
    def pid(self) -> int:
        """
        Its process id.
        """
        pid: int = self.transport.pid
        return pid

    def outReceived(self, data: bytes) -> None:
        """
        It said something.
        """
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self.lineReceived(line)

    def lineReceived(self, line: bytes) -> None:
        """
        It said one line.
        """
        raise NotImplementedError

    def finish(self) -> Deferred[BaseException | None]:
        """
        End its standard input.

        @return: Fires when it has ended, with how.
        """
        self.transport.closeStdin()
        return self.ended

    def kill(self) -> None:
        """
        End it, if it has not.
        """
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended.
        """
        self.ended.callback(reason.value)


class Primary(_Lines):
    """
    The primary's process.
    """

    def __init__(self, log: BinaryIO, happened: Callable[[dict[str, Any]], None]):
        """
        @param happened: Is told what happens to workers.
        """
        super().__init__(log)
        self._happened = happened
        self._numbers = count()
        self._asked: dict[int, Deferred[Any]] = {}

    def order(self, name: str, **arguments: Any) -> Deferred[Any]:
        """
        @return: Fires with what it answers, fails with L{OrderFailed}.
        """
        number = next(self._numbers)
        order = {"id": number, "do": name, **arguments}
        self.transport.write(json.dumps(order).encode() + b"\n")
        asked = self._asked[number] = Deferred()
        return asked

    def lineReceived(self, line: bytes) -> None:
        """
        It answered, or tells something.
        """
        said = json.loads(line)
        if "id" not in said:
            self._happened(said)
        elif "error" in said:
            self._asked.pop(said["id"]).errback(OrderFailed(said["error"]))
        else:
            self._asked.pop(said["id"]).callback(said["result"])

    def processEnded(self, reason: Failure) -> None:
        """
        Nothing is answered any more.
        """
        asked, self._asked = self._asked, {}
        for each in asked.values():
            each.errback(OrderFailed("the primary has ended"))
        super().processEnded(reason)


class Client(_Lines):
    """
    A process of the load.

    @ivar finished: How many of its connections have ended.
    @ivar next: The number of its next connection.
    """

    finished = 0
    next = 0

    def lineReceived(self, line: bytes) -> None:
        """
        It says how far it is.
        """
        self.finished, self.next = map(int, line.split())


def oursCommand(workers: int, port: int, taken: Path, *, insured: bool) -> list[str]:
    """
    How to run this package's primary.
    """
    command = [sys.executable, "-m", "tests.chaos.soak.primary"]
    options = ["insured"] if insured else []
    return [*command, str(workers), str(port), str(taken), *options]


def nodesCommand(workers: int, port: int, taken: Path) -> list[str]:
    """
    How to run Node's.
    """
    return ["node", str(TWIN), str(workers), str(port), str(taken)]


def clientCommand(port: int, outcomes: Path, first: int, concurrency: int) -> list[str]:
    """
    How to run the load, from the number C{first} on.
    """
    command = [sys.executable, "-m", "tests.chaos.soak.client", str(port)]
    return [*command, str(outcomes), str(first), str(concurrency)]
