"""
Tests of L{twisted_cluster._reactor.orphans}.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.realreactor import PATIENCE
from twisted_cluster._reactor.orphans import dieWith, liveOn

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


def readWithin(stream: Any, writer: int) -> bytes:
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
            self.assertEqual(readWithin(parent.stdout, child), b"")

    def test_liveOn(self) -> None:
        """
        It can be taken back.
        """
        dieWith(os.getppid())
        liveOn()
        self.assertEqual(deathSignal(), 0)


# It says that it goes on, and when it noticed; and then it is busy.
OUTLIVING = """
import ctypes, os, signal, sys, time
from twisted_cluster._reactor import orphans
platform, seconds, holding = sys.argv[1:]
if platform:
    # Where the kernel tells nothing.
    sys.platform = platform
    del os.pidfd_open
said = os.dup(2)
parent = os.getppid()
def noticed():
    if holding:
        # C code that keeps the interpreter's lock.
        ctypes.PyDLL(None).sleep(60)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if seconds == "0":
    orphans.dieWith(os.getppid())
else:
    orphans.dieWith(os.getppid())
    orphans.outlive(os.getppid(), 0.0)
    orphans.outlive(os.getppid(), float(seconds), noticed)
    orphans.liveOn()
os.write(said, b"%d" % os.getpid() + bytes([10]))
while os.getppid() == parent or seconds == "0":
    pass
# Nobody reads this any more.
time.sleep(2 * orphans.LOOK_AGAIN)
print("x" * 100000, flush=True)
os.write(said, b"printed" + bytes([10]))
while True:
    pass
"""

OUTLIVED = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", *sys.argv[1:]],
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
)
child.wait()
"""


class OutliveTests(SynchronousTestCase):
    """
    Tests of L{outlive}, and of L{dieWith} where the kernel does not do it.
    """

    def outlive(
        self, seconds: float, platform: str = "", holding: bool = False
    ) -> tuple[bytes, float]:
        """
        Kill the parent of a process that may outlive it.

        @return: What the process said after that, and how long it went on.
        """
        arguments = (platform, f"{seconds:g}", "1" if holding else "")
        with subprocess.Popen(
            [sys.executable, "-c", OUTLIVED, OUTLIVING, *arguments],
            stderr=subprocess.PIPE,
        ) as parent:
            assert parent.stderr is not None
            child = int(parent.stderr.readline())
            parent.kill()
            begin = time.monotonic()
            said = readWithin(parent.stderr, child)
        return said, time.monotonic() - begin

    def test_bounded(self) -> None:
        """
        A process that is busy, and ignores signals, goes on for the time that it
        has, and no longer.  It can print something though nobody reads it.
        """
        for platform in ("", "freebsd14"):
            said, lasted = self.outlive(1.0, platform)
            self.assertEqual(said, b"printed\n", platform)
            self.assertGreaterEqual(lasted, 0.9)
            self.assertLess(lasted, PATIENCE)

    def test_atOnce(self) -> None:
        """
        Without time it ends at once, also where the kernel does not do it.
        """
        said, lasted = self.outlive(0.0, "freebsd14")
        self.assertEqual(said, b"")
        self.assertLess(lasted, PATIENCE)

    @skipUnless(sys.platform.startswith("linux"), "only Linux has these timers")
    def test_holding(self) -> None:
        """
        The kernel keeps the time, so that C code which does not let Python go on
        does not make it longer.
        """
        _, lasted = self.outlive(0.5, holding=True)
        self.assertLess(lasted, PATIENCE)
