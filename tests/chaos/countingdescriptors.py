"""
Descriptors that are only numbers, for tests that need millions of them.

As long as they are in place, C{os.close}, C{os.dup}, C{os.fstat} and C{os.pipe}
know them beside the real ones.  What is closed twice, or used when it is closed, is
an error as with real ones; but a number is never used again, so that it cannot be
mistaken for another one.
"""

from __future__ import annotations

import errno
import os
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any
from unittest import mock

from attrs import define, field
from typing_extensions import Self

FIRST = 1 << 24
"""Greater than the number of any real descriptor."""


@define
class _Status:
    """
    What C{os.fstat} says.
    """

    st_ino: int


@define(eq=False)
class CountingDescriptors(AbstractContextManager["CountingDescriptors"]):
    """
    The numbers in use.

    @ivar opened: By number, the inode of each open descriptor.
    @ivar mistakes: What was done with descriptors that are not open.
    """

    opened: dict[int, int] = field(factory=dict)
    mistakes: list[str] = field(factory=list)
    _last: int = FIRST
    _real: Any = field(factory=lambda: (os.close, os.dup, os.fstat))
    _patches: list[Any] = field(factory=list)

    def new(self, count: int = 1) -> list[int]:
        """
        Open descriptors, each of something of its own.
        """
        numbers = list(range(self._last + 1, self._last + 1 + count))
        self._last += count
        self.opened.update(zip(numbers, numbers, strict=True))
        return numbers

    def __enter__(self) -> Self:
        replaced = {
            "close": self._close,
            "dup": self._dup,
            "fstat": self._fstat,
            "pipe": lambda: tuple(self.new(2)),
        }
        self._patches = [
            mock.patch.object(os, name, function) for name, function in replaced.items()
        ]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for patch in self._patches:
            patch.stop()

    def _inode(self, descriptor: int, what: str) -> int:
        """
        @raise OSError: if it is not open.
        """
        if descriptor not in self.opened:
            self.mistakes.append(f"{what} of {descriptor - FIRST}, which is not open")
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self.opened[descriptor]

    def _close(self, descriptor: int) -> None:
        if descriptor < FIRST:
            self._real[0](descriptor)
        else:
            self._inode(descriptor, "close")
            del self.opened[descriptor]

    def _dup(self, descriptor: int) -> int:
        if descriptor < FIRST:
            copy: int = self._real[1](descriptor)
            return copy
        inode = self._inode(descriptor, "dup")
        [number] = self.new()
        self.opened[number] = inode
        return number

    def _fstat(self, descriptor: int) -> Any:
        if descriptor < FIRST:
            return self._real[2](descriptor)
        return _Status(self._inode(descriptor, "fstat"))
