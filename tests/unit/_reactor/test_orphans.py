"""
Tests of L{twisted_cluster._reactor.orphans}.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from typing import Any
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.realreactor import PATIENCE
from twisted_cluster._reactor.orphans import dieWith

_PR_SET_PDEATHSIG, _PR_GET_PDEATHSIG = 1, 2

PARENT = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]], stdin=subprocess.DEVNULL
)
child.wait()
"""

# It ignores what can be ignored, and is busy: nothing in it could notice.
CHILD = """
import os, signal
from twisted_cluster._reactor.orphans import dieWith
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
dieWith(os.getppid())
print(os.getpid(), flush=True)
while True:
    pass
"""

ORPHAN = """
from twisted_cluster._reactor.orphans import dieWith
dieWith(1 << 30)
print("still here")
"""


def deathSignal() -> int:
    """
    The signal that this process gets when its parent ends.
    """
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(_PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value


@skipUnless(sys.platform.startswith("linux"), "only Linux can do this")
class LinuxTests(SynchronousTestCase):
    """
    Tests of L{dieWith} on Linux.
    """

    def tearDown(self) -> None:
        """
        This process shall go on.
        """
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)

    def test_asked(self) -> None:
        """
        The kernel is asked to kill this process when its parent ends.
        """
        dieWith(os.getppid())
        self.assertEqual(deathSignal(), signal.SIGKILL)

    def test_tooLate(self) -> None:
        """
        If the parent has ended already, this process exits.
        """

        class Exited(BaseException):
            pass

        def leave(status: int) -> None:
            self.assertEqual(status, 1)
            raise Exited

        self.patch(os, "_exit", leave)
        with self.assertRaises(Exited):
            dieWith(1 << 30)

    def test_tooLateForReal(self) -> None:
        """
        And does nothing more.
        """
        ended = subprocess.run(
            [sys.executable, "-c", ORPHAN],
            stdout=subprocess.PIPE,
            check=False,
            timeout=60,
        )
        self.assertEqual((ended.returncode, ended.stdout), (1, b""))

    def test_killed(self) -> None:
        """
        A process that is busy, and ignores signals, does not outlive a parent
        that was killed.
        """
        with subprocess.Popen(
            [sys.executable, "-c", PARENT, CHILD],
            stdout=subprocess.PIPE,
        ) as parent:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            parent.kill()
            # The child has the other end of this pipe for as long as it lives.
            self.assertEqual(self.readWithin(parent.stdout, child), b"")

    def readWithin(self, stream: Any, writer: int) -> bytes:
        """
        Read to the end, but not for ever.
        """

        def giveUp(number: int, frame: object) -> None:
            os.kill(writer, signal.SIGKILL)
            raise TimeoutError("the child is still alive")

        before = signal.signal(signal.SIGALRM, giveUp)
        signal.alarm(int(PATIENCE))
        try:
            data: bytes = stream.read()
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        return data


class ElsewhereTests(SynchronousTestCase):
    """
    Tests of L{dieWith} where there is no such thing.
    """

    def test_nothing(self) -> None:
        """
        Nothing happens, whoever the parent is.
        """
        self.patch(sys, "platform", "freebsd14")
        dieWith(1 << 30)
