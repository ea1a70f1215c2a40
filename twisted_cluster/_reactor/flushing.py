"""
How to say the last words, when the reactor does not run any more.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.python.failure import Failure


def flush(
    transport: FileDescriptor, isDone: Callable[[], bool], timeout: float
) -> bool:
    """
    Read and write a transport until C{isDone}, without its reactor.

    For a process that is about to end: its reactor has stopped, and what it sent
    last may not have gone out, or not have been confirmed.

    @param timeout: Seconds after which to give up.

    @return: Whether it is done; it is not if the time is over or the transport
        was lost before.
    """
    deadline = time.monotonic() + timeout
    while transport.connected:
        if isDone() and not _wantsToWrite(transport):
            return True
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            break
        poll = select.poll()
        events = select.POLLIN
        if _wantsToWrite(transport):
            events |= select.POLLOUT
        poll.register(transport.fileno(), events)
        for _, happened in poll.poll(max(1, remaining * 1000)):
            lost = None
            if happened & select.POLLOUT:
                lost = transport.doWrite()
            if lost is None and happened & ~select.POLLOUT:
                lost = transport.doRead()
            if lost is not None:
                transport.connectionLost(Failure(lost))
    return False


def _wantsToWrite(transport: Any) -> bool:
    """
    Whether the transport asked its reactor to tell it when it can write.
    """
    return transport in transport.reactor.getWriters()
