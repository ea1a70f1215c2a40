"""
System calls that really fail, of processes that really run.

Some errors cannot be had from this machine's kernel without harm to everybody
who uses it: ENFILE means that the whole machine has no file left, ENOBUFS that
its network has no memory.  Linux can be asked to stop a process at a system call
and to have another process decide what becomes of it (seccomp's user
notification): the call is made, and returns with the error from the kernel, as
it would if the machine were full.  Whoever made it cannot tell the difference.

This module is two things.  Imported, it has L{Interception}, with which a test
decides.  Run as a program it is the launcher: it has the kernel stop it at the
calls that are named, gives the test the decision, and becomes the command that
follows.  What that starts is stopped in the same way.

The other side of this is a process that waits at each such call until the test
has decided; a test that ends takes the decision with it, and the calls fail
from then on.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from typing_extensions import Self

_CALLS = {
    "x86_64": {
        "sendto": 44,
        "sendmsg": 46,
        "recvmsg": 47,
        "socketpair": 53,
        "accept4": 288,
        "seccomp": 317,
    },
    "aarch64": {
        "socketpair": 199,
        "sendto": 206,
        "sendmsg": 211,
        "recvmsg": 212,
        "accept4": 242,
        "seccomp": 277,
    },
}
"""
The numbers of the system calls that can be intercepted, and of the one that does.
"""

_PIDFD_GETFD = 438

_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
_SECCOMP_RET_USER_NOTIF = 0x7FC00000
_SECCOMP_RET_ALLOW = 0x7FFF0000
_SECCOMP_USER_NOTIF_FLAG_CONTINUE = 1

# struct seccomp_notif: id, pid, flags; then struct seccomp_data: the call's
# number, the architecture, the instruction pointer, and six arguments.
_NOTICE = struct.Struct("=QII iIQ 6Q")
# struct seccomp_notif_resp: id, value, error, flags.
_ANSWER = struct.Struct("=Qqi I")


def _ioctl(number: int, size: int) -> int:
    """
    The number of a request that reads and writes a structure.
    """
    return 3 << 30 | size << 16 | ord("!") << 8 | number


_RECEIVE = _ioctl(0, _NOTICE.size)
_SEND = _ioctl(1, _ANSWER.size)


def whyNot() -> str:
    """
    Why nothing can be intercepted here; empty if it can.
    """
    if not sys.platform.startswith("linux"):
        return "only Linux has seccomp"
    if platform.machine() not in _CALLS:
        return f"the numbers of the system calls of {platform.machine()} are missing"
    if not hasattr(os, "pidfd_open"):
        return "there is no pidfd_open"
    if os.geteuid() != 0:
        return "taking over a process's descriptor needs root"
    return ""


class Interception:
    """
    What becomes of the calls of a command, and of all that it starts.

    As a context manager, it is there before the command is started, and the
    command has ended before it is left::

        with Interception("accept4") as interception:
            with RunningCluster(..., launcher=[*interception.launcher, ...]):
                interception.fail("accept4", errno.ENFILE, pid)

    @ivar launcher: What comes before the command.
    @ivar calls: How many calls there were, by name and process id.
    @ivar failed: How many of them failed.
    """

    def __init__(self, *calls: str) -> None:
        self._numbers = _CALLS[platform.machine()]
        self._names = {self._numbers[name]: name for name in calls}
        self._directory = tempfile.TemporaryDirectory(dir="/tmp")
        path = os.path.join(self._directory.name, "decision")
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(1)
        self.launcher: Sequence[str] = [sys.executable, __file__, path, ",".join(calls)]
        self.calls: Counter[tuple[str, int]] = Counter()
        self.failed: Counter[tuple[str, int]] = Counter()
        self._errors: dict[tuple[str, int], int] = {}
        self._ended = False
        self._thread = threading.Thread(target=self._decide, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended = True
        self._thread.join()
        self._server.close()
        self._directory.cleanup()

    def fail(self, call: str, number: int, pid: int) -> None:
        """
        Have a process's calls fail from now on.
        """
        self._errors[call, pid] = number

    def heal(self) -> None:
        """
        Have all calls work again.
        """
        self._errors.clear()

    # -- the thread

    def _decide(self) -> None:
        """
        Get the decision, and decide until it is over.
        """
        listener = self._listener()
        if listener is None:
            return
        try:
            while not self._ended:
                poll = select.poll()
                poll.register(listener, select.POLLIN)
                for _, happened in poll.poll(50):
                    if not happened & select.POLLIN:
                        # The last of the processes has ended.
                        return
                    self._decideOne(listener)
        finally:
            os.close(listener)

    def _listener(self) -> int | None:
        """
        Take the launcher's descriptor over, and let it go on.
        """
        while not select.select([self._server], [], [], 0.05)[0]:
            if self._ended:
                return None
        launcher, _ = self._server.accept()
        with launcher:
            pid, number = map(int, launcher.recv(100).split())
            process = os.pidfd_open(pid)
            try:
                listener = _libc().syscall(_PIDFD_GETFD, process, number, 0)
                if listener < 0:
                    raise OSError(ctypes.get_errno(), "pidfd_getfd")
            finally:
                os.close(process)
            launcher.sendall(b"go on")
        return int(listener)

    def _decideOne(self, listener: int) -> None:
        """
        One call.
        """
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
            identity, pid, _, call, *_ = _NOTICE.unpack(notice)
            key = self._names[call], pid
            error = self._errors.get(key, 0)
            flags = 0 if error else _SECCOMP_USER_NOTIF_FLAG_CONTINUE
            # First, so that who sees the effect sees the count.
            self.calls[key] += 1
            self.failed[key] += bool(error)
            answer = bytearray(_ANSWER.pack(identity, 0, -error, flags))
            fcntl.ioctl(listener, _SEND, answer)
        except OSError as e:
            # The process was killed, or interrupted by a signal.
            if e.errno not in (errno.ENOENT, errno.EINTR):
                raise


# -- the launcher


def _libc() -> ctypes.CDLL:
    """
    For system calls that Python has no function for.
    """
    return ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """
    C{struct sock_fprog}: the filter.
    """

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _filter(numbers: Sequence[int]) -> bytes:
    """
    A program for the kernel: stop at these calls, and at no others.
    """
    instruction = struct.Struct("=HBBI")
    load, jumpIfEqual, end = 0x20, 0x15, 0x06
    program = [instruction.pack(load, 0, 0, 0)]
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        program.append(instruction.pack(jumpIfEqual, left, 0, number))
    program.append(instruction.pack(end, 0, 0, _SECCOMP_RET_ALLOW))
    program.append(instruction.pack(end, 0, 0, _SECCOMP_RET_USER_NOTIF))
    return b"".join(program)


def _intercept(names: Sequence[str]) -> int:
    """
    Have the kernel stop this process at these calls.

    @return: The descriptor from which the calls are learnt.
    """
    numbers = _CALLS[platform.machine()]
    code = _filter([numbers[name] for name in names])
    program = _Program(len(code) // 8, code)
    libc = _libc()
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = libc.syscall(
        numbers["seccomp"],
        _SECCOMP_SET_MODE_FILTER,
        _SECCOMP_FILTER_FLAG_NEW_LISTENER,
        ctypes.byref(program),
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return int(listener)


def main() -> None:
    """
    Be stopped from now on, and become the command.
    """
    path, calls, *command = sys.argv[1:]
    test = socket.socket(socket.AF_UNIX)
    test.connect(path)
    listener = _intercept(calls.split(","))
    # Not sendmsg, or sendto, which nobody decides about yet.
    os.write(test.fileno(), b"%d %d" % (os.getpid(), listener))
    os.read(test.fileno(), 100)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
