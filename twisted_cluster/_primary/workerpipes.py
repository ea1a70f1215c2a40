"""
The pipes between the primary and a worker's process.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from twisted.internet.interfaces import IProcessTransport, ITCPTransport

from twisted_cluster._primary.workeroutput import Output

_ONLY_READ = (1, 2)
"""What a worker writes to its standard output and error the primary only reads."""


class WorkerPipes:
    """
    Writes into a worker's pipes, and passes on what the worker writes into them.

    @ivar output: By descriptor, where goes what the worker writes into a pipe.
    @ivar process: Has the pipes up to standard error; C{None} until it is started.
    @ivar others: By descriptor, the pipes beyond standard error.
    @ivar _ended: The descriptors of those into which nothing is written any more.
    """

    def __init__(self, output: Mapping[int, Output]) -> None:
        self.output = output
        self.process: IProcessTransport | None = None
        self.others: dict[int, ITCPTransport] = {}
        self._ended: set[int] = set()

    @property
    def descriptors(self) -> list[int]:
        """
        Which of the worker's descriptors are pipes.
        """
        return sorted(self.output)

    def write(self, descriptor: int, data: bytes) -> None:
        """
        Write into a pipe; nothing happens if that is closed, or about to be.
        """
        if descriptor in self._ended:
            # Twisted would still write it, before the end.
            return
        if descriptor in self.others:
            self.others[descriptor].write(data)
        elif self.process is not None:
            # Twisted knows no more of a pipe that is closed.
            with suppress(KeyError):
                self.process.writeToChild(descriptor, data)

    def close(self, descriptor: int) -> None:
        """
        Let the worker read the end of a pipe, after what was written.
        """
        self._ended.add(descriptor)
        if descriptor in self.others:
            self.others[descriptor].loseWriteConnection()
        elif self.process is not None and descriptor not in _ONLY_READ:
            self.process.closeChildFD(descriptor)

    def received(self, descriptor: int, data: bytes) -> None:
        """
        The worker wrote into a pipe.
        """
        self.output[descriptor].received(data)

    def lost(self, descriptor: int) -> None:
        """
        The worker, and everything it started, closed a pipe.
        """
        self.others.pop(descriptor, None)
        if descriptor in self.output:
            self.output[descriptor].ended()
