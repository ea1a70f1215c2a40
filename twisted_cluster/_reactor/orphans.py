"""
No worker outlives its primary by more than it may.

A worker learns from its channel that the primary is gone, but only when its
reactor turns.  What is here works while it does not:

  - L{dieWith}: at once.  Linux has the kernel do it, whatever the worker is doing.
    Elsewhere it is L{outlive}, with no time.
  - L{outlive}: after some time, in which the worker can finish what it has begun.

L{outlive} is a thread, which waits until the kernel says that the primary has
ended.  The kernel's own signal for that, C{PR_SET_PDEATHSIG}, would have to be one
that the application does not use, and would interrupt its system calls.  Python
lets a thread run within some milliseconds, also when another one is in an endless
loop; but not while C code keeps the interpreter's lock.  So the time itself
is not left to the thread, where there is another way: it sets a timer of the
kernel's, which then kills the process, whoever has the lock.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from attrs import define

_PR_SET_PDEATHSIG = 1

LOOK_AGAIN = 0.2
"""
How often, in seconds, to look whether the primary is still there, where the kernel
does not tell.
"""


@define
class _Watch:
    """
    What is to happen when the parent has ended.

    @ivar seconds: How long this process may go on.
    @ivar noticed: Called at once, in a thread.
    """

    seconds: float
    noticed: Callable[[], object]


_watches: dict[tuple[int, int], _Watch] = {}
"""
By this process and its parent: one that is forked has no thread of its own.
"""


def dieWith(parent: int) -> None:
    """
    Have this process end when the process that started it does.

    The kernel forgets this when the process changes its user or group, so it
    has to be done again afterwards.

    @param parent: The process id of the one that started this one; if it ended
        before the kernel was told, this process ends here.
    """
    if not sys.platform.startswith("linux"):
        outlive(parent, 0.0)
        return
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def liveOn() -> None:
    """
    Take back what L{dieWith} asked the kernel for.
    """
    if sys.platform.startswith("linux"):
        _libc().prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def outlive(
    parent: int, seconds: float, noticed: Callable[[], object] = lambda: None
) -> None:
    """
    Have this process end when the process that started it has ended some time
    ago.  Doing it again changes how long ago, and what is called.

    @param parent: The process id of the one that started this one.
    @param seconds: How long this process may go on.
    @param noticed: Called, in a thread, as soon as the parent is gone.
    """
    processes = (os.getpid(), parent)
    if processes in _watches:
        _watches[processes] = _Watch(seconds, noticed)
        return
    _watches[processes] = _Watch(seconds, noticed)
    threading.Thread(
        target=_watch,
        args=processes,
        name="waiting for the primary's end",
        daemon=True,
    ).start()


def _watch(this: int, parent: int) -> None:
    """
    The thread.
    """
    _waitForEnd(parent)
    watch = _watches[this, parent]
    deadline = time.monotonic() + watch.seconds
    try:
        _setTimer(watch.seconds)
        _silence()
        watch.noticed()
    finally:
        # Also where there is no such timer.
        time.sleep(max(0.0, deadline - time.monotonic()))
        os.kill(this, signal.SIGKILL)


def _waitForEnd(parent: int) -> None:
    """
    Wait until this process's parent has ended.
    """
    try:
        process = os.pidfd_open(parent)
    except (AttributeError, OSError):
        # Not Linux, or not allowed to; or it has ended already.
        process = None
    if process is not None:
        # Its number may have been another's by then.
        if os.getppid() == parent:
            _waitUntilReadable(process)
        os.close(process)
    while os.getppid() == parent:
        time.sleep(LOOK_AGAIN)


def _waitUntilReadable(descriptor: int) -> None:
    """
    Wait without spending time.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()


def _setTimer(seconds: float) -> None:
    """
    Have the kernel kill this process after some time, if it can.
    """
    libc = _libc()
    if not sys.platform.startswith("linux") or not hasattr(libc, "timer_create"):
        return
    clock, notifyBySignal = 1, 0
    event = struct.pack("@Pii48x", 0, signal.SIGKILL, notifyBySignal)
    timer = ctypes.c_void_p()
    if libc.timer_create(clock, event, ctypes.byref(timer)) == 0:
        whole, part = divmod(max(seconds, 1e-9), 1)
        interval, first = (0, 0), (int(whole), max(1, int(part * 1e9)))
        libc.timer_settime(timer, 0, struct.pack("@4l", *interval, *first), None)


def _silence() -> None:
    """
    Send output nowhere that nobody reads any more: who still prints something
    shall not fail.
    """
    for number in (1, 2):
        with suppress(OSError):
            poll = select.poll()
            poll.register(number, 0)
            if any(happened & select.POLLERR for _, happened in poll.poll(0)):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, number)
                os.close(nowhere)


def _libc() -> ctypes.CDLL:
    """
    What Python has no functions for.
    """
    return ctypes.CDLL(None, use_errno=True)
