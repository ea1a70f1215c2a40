"""
A reactor that does one turn when the test says so.
"""

from __future__ import annotations

from typing import Any


class TurningReactor:
    """
    As much of a reactor as is looked at.

    @ivar readers: What it reads.
    @ivar writers: What it writes.
    """

    def __init__(self) -> None:
        self._internalReaders: set[object] = {"waker"}
        self.readers: list[object] = ["waker"]
        self.writers: list[object] = []
        self.later: list[Any] = []

    def getReaders(self) -> list[object]:
        """
        What it reads.
        """
        return self.readers

    def getWriters(self) -> list[object]:
        """
        What it writes.
        """
        return self.writers

    def removeReader(self, reader: object) -> None:
        """
        Read it no more.
        """
        self.readers.remove(reader)

    def removeWriter(self, writer: object) -> None:
        """
        Write it no more.
        """
        self.writers.remove(writer)

    def callLater(self, delay: float, call: Any) -> None:
        """
        Keep it for L{turn}.
        """
        assert delay == 0
        self.later.append(call)

    def turn(self) -> None:
        """
        Call what was to be called later.
        """
        later, self.later = self.later, []
        for call in later:
            call()
