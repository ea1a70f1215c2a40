"""
A worker's own ends of the pipes between its primary and it.
"""

from __future__ import annotations

import os
import select
import socket
import stat
import sys
from contextlib import suppress
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster.observing import Emitter
from twisted_cluster.workerapi import WorkerStream

_AT_ONCE = 65536
"""
How many bytes are read at a time.
"""


@implementer(IReadDescriptor)
class OwnPipe(Emitter):
    """
    This process's end of a pipe, which the program may be using in other ways, too:
    as C{sys.stdin}, with C{print}.  So it stays a blocking descriptor; it is not read
    before somebody observes C{data} or C{end}, and then only when the reactor has
    found something in it.  Writing waits until there is room, as C{print} does: the
    primary always reads.

    Its events are C{data(bytes)} and C{end()}.  It does not keep a worker that
    leaves.
    """

    def __init__(self, reactor: Any, descriptor: int) -> None:
        """
        @param reactor: Provides C{IReactorFDSet}.
        @param descriptor: Its number, which stays the program's to close.
        """
        super().__init__(("data", "end"))
        self._reactor = reactor
        self._descriptor = descriptor
        self._isRead = False

    def _observersChanged(self, name: str) -> None:
        """
        Somebody wants what the primary writes, for the first time.
        """
        if not self._isRead:
            self._isRead = True
            self._reactor._addInternalReader(self)

    # -- reading, as the reactor asks for it

    def fileno(self) -> int:
        """
        The descriptor.
        """
        return self._descriptor

    def logPrefix(self) -> str:
        """
        What it is called in the log.
        """
        return f"descriptor {self._descriptor}"

    def doRead(self) -> Exception | None:  # type: ignore[override]
        """
        There is something to be read, or the end.

        @return: What tells the reactor that it is the end.
        """
        data = os.read(self._descriptor, _AT_ONCE)
        if not data:
            return CONNECTION_DONE
        self.emit("data", data)
        return None

    def connectionLost(self, reason: Failure) -> None:
        """
        There is nothing more to be read.
        """
        self._reactor._removeInternalReader(self)
        self.emit("end")
        self.happenNoMore(ConnectionDone("the stream has ended"))

    # -- writing

    def write(self, data: bytes) -> None:
        """
        Write, behind what the program has printed so far; nothing happens if the
        primary does not read any more, or this end is only read.
        """
        self._flush()
        rest = memoryview(data)
        with suppress(OSError):
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BlockingIOError:
                    # The program has made it so for something else.
                    self._waitForRoom()

    def _waitForRoom(self) -> None:
        """
        Wait until the primary has read something.
        """
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        poll.poll()

    def end(self) -> None:
        """
        Write nothing any more.
        """
        self._flush()
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(self._descriptor).st_mode):
                with socket.socket(fileno=os.dup(self._descriptor)) as end:
                    end.shutdown(socket.SHUT_WR)
            elif self._descriptor in (1, 2):
                self._replace()

    def _replace(self) -> None:
        """
        Leave the number taken: what is printed later must go nowhere, and not into
        whatever is opened next.
        """
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._descriptor)
        os.close(nothing)

    def _flush(self) -> None:
        """
        Let what was printed before go first.
        """
        printed = {1: sys.stdout, 2: sys.stderr}.get(self._descriptor)
        with suppress(OSError, ValueError):
            if printed is not None:
                printed.flush()


def ownStream(reactor: Any, descriptor: int) -> WorkerStream:
    """
    @return: A descriptor of this process, as C{worker.process} has it.
    """
    pipe = OwnPipe(reactor, descriptor)
    return WorkerStream(pipe, pipe.write, pipe.end)
