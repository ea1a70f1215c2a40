"""
What clients and workers write down about each connection.

Both are files with one record for each number, mapped into memory: what was
stored there is in the file whatever becomes of the process, and storing it
costs a microsecond.  Where nothing was stored there is zero, and no disk used.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path

from attrs import frozen
from typing_extensions import Self

_TAKEN = struct.Struct("<BBBBI")
_WORKER = struct.Struct("<I")
_OUTCOME = struct.Struct("<BxxxIdd")


class Outcome(IntEnum):
    """
    What became of a connection, as its client saw it.
    """

    NOT_BEGUN = 0
    OPEN = 1
    ANSWERED = 2
    """With its own number, a worker's, and the end."""
    CLOSED = 3
    """Ended before the answer was complete."""
    RESET = 4
    REFUSED = 5
    HUNG = 6
    WRONG = 7
    """Answered with something else."""
    GIVEN_UP = 8
    """By its client, on purpose."""
    FAILED = 9
    """In any other way."""


@frozen
class Told:
    """
    What a client tells of its connection.

    @ivar worker: Who answered, as the answer says.
    @ivar begunAt: When, by the monotonic clock.
    @ivar endedAt: When.
    """

    outcome: Outcome
    worker: int
    begunAt: float
    endedAt: float


@frozen
class Taken:
    """
    What workers tell of a connection.

    @ivar made: How often an application was given it.
    @ivar touched: How often one began to read from it, or to write to it.
    @ivar replied: How often it was answered.
    @ivar mixed: How often it carried the number of another.
    @ivar worker: Whose application was given it last.
    """

    made: int
    touched: int
    replied: int
    mixed: int
    worker: int


class _MappedFile:
    """
    A file in memory.

    @ivar size: The length of a record.
    """

    size: int

    def __init__(self, path: Path) -> None:
        """
        Open one that L{create} made.
        """
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @classmethod
    def create(cls, path: Path, records: int) -> Self:
        """
        Make one, with nothing in it.
        """
        with path.open("wb") as file:
            os.truncate(file.fileno(), records * cls.size)
        return cls(path)

    def __len__(self) -> int:
        return len(self._map) // self.size

    def close(self) -> None:
        """
        Close it.
        """
        self._map.close()


class TakenLedger(_MappedFile):
    """
    What the workers write.  A connection is one worker's at a time.
    """

    size = _TAKEN.size

    def made(self, number: int, worker: int) -> None:
        """
        The application was given a connection.
        """
        start = number * self.size
        _WORKER.pack_into(self._map, start + 4, worker)
        self._map[start] += 1

    def touched(self, number: int) -> None:
        """
        It is about to be read from, or written to.
        """
        self._map[number * self.size + 1] += 1

    def replied(self, number: int) -> None:
        """
        It was answered.
        """
        self._map[number * self.size + 2] += 1

    def mixed(self, number: int) -> None:
        """
        It carried the number of another connection.
        """
        self._map[number * self.size + 3] += 1

    def records(self, count: int) -> Iterator[Taken]:
        """
        The first so many.
        """
        for fields in _TAKEN.iter_unpack(self._map[: count * self.size]):
            yield Taken(*fields)


class OutcomeLedger(_MappedFile):
    """
    What the clients write.
    """

    size = _OUTCOME.size

    def write(
        self, number: int, outcome: int, worker: int, begunAt: float, endedAt: float
    ) -> None:
        """
        Write down what is known of a connection.
        """
        _OUTCOME.pack_into(
            self._map, number * self.size, outcome, worker, begunAt, endedAt
        )

    def records(self, count: int) -> Iterator[Told]:
        """
        The first so many.
        """
        for outcome, worker, begunAt, endedAt in _OUTCOME.iter_unpack(
            self._map[: count * self.size]
        ):
            yield Told(Outcome(outcome), worker, begunAt, endedAt)
