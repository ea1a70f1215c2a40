"""
What a worker writes to its standard output and error, in the primary's log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twisted.internet.error import ConnectionDone
from twisted.logger import Logger

from twisted_cluster.observing import Emitter

LINE_LIMIT = 65536
"""
How many bytes of a line are kept together; a longer one is logged in pieces, so
that a worker that never ends its line takes no memory.
"""


class Output(Protocol):
    """
    Where one stream of a worker's goes.
    """

    def received(self, data: bytes) -> None:
        """
        The worker wrote something.
        """

    def ended(self) -> None:
        """
        The worker, and everything that it started, has closed the stream.
        """


class OutputStream(Emitter):
    """
    One stream of a worker's, for the program that started it: C{data(bytes)},
    C{end()}.
    """

    def __init__(self) -> None:
        super().__init__(("data", "end"))

    def received(self, data: bytes) -> None:
        """
        The worker wrote something.
        """
        self.emit("data", data)

    def ended(self) -> None:
        """
        The stream is closed.
        """
        self.emit("end")
        self.happenNoMore(ConnectionDone("the stream has ended"))


class WorkerOutput:
    """
    Logs one stream of a worker's, line by line, as coming from that worker.

    @ivar _rest: The beginning of a line that is not complete yet.
    """

    _log = Logger()

    def __init__(self, workerID: int) -> None:
        self._system = f"worker {workerID}"
        self._rest = b""

    def received(self, data: bytes) -> None:
        """
        Log the lines that are complete now.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._logLine(line)
        while len(self._rest) > LINE_LIMIT:
            self._logLine(self._rest[:LINE_LIMIT])
            self._rest = self._rest[LINE_LIMIT:]

    def ended(self) -> None:
        """
        Log what came after the last line's end.
        """
        rest, self._rest = self._rest, b""
        if rest:
            self._logLine(rest)

    def _logLine(self, line: bytes) -> None:
        """
        Log one line.
        """
        self._log.info(
            "{line}",
            line=line.rstrip(b"\r").decode("utf-8", "backslashreplace"),
            log_system=self._system,
        )


NewOutput = Callable[[int, Sequence["str | int"]], Mapping[int, Output]]
"""
From a worker's number, and what becomes of its first descriptors, where goes
what it writes into those that are pipes.
"""


def logged(workerID: int, stdio: Sequence[str | int]) -> Mapping[int, Output]:
    """
    Send standard output and standard error into the log.
    """
    return {1: WorkerOutput(workerID), 2: WorkerOutput(workerID)}


def emitted(workerID: int, stdio: Sequence[str | int]) -> Mapping[int, Output]:
    """
    Send what is written into each pipe to whoever observes it.
    """
    return {number: OutputStream() for number, how in enumerate(stdio) if how == "pipe"}
