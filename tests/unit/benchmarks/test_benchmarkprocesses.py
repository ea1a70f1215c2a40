"""
Tests of L{benchmarks.processes}.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from unittest import TestCase

from benchmarks.processes import (
    NOTES,
    Competitor,
    RunningServer,
    ServerFailed,
    childrenOf,
    cpuSeconds,
    isAlive,
    parseStat,
    running,
)

# Leave a note, which appears when it is complete, and stay.
SERVE = (
    "import os, pathlib, signal, sys;"
    "unfinished = pathlib.Path(sys.argv[1]) / '.unfinished';"
    "unfinished.write_text('{}');"
    "unfinished.rename(unfinished.with_name(str(os.getpid())));"
    "signal.pause()"
)

# Start a child that does; do not take it along.
ABANDON = (
    "import subprocess, signal, sys;"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit());"
    f"subprocess.Popen([sys.executable, '-c', {SERVE!r}, sys.argv[1]],"
    " start_new_session=True);"
    "signal.pause()"
)


class ReadingTests(TestCase):
    """
    What the kernel says about processes.
    """

    def test_stat(self) -> None:
        """
        State and session are found behind any program name.
        """
        self.assertEqual(parseStat("71 (a) b (c) S 1 2 3 0 -1"), ("S", 3))

    def test_cpuSeconds(self) -> None:
        """
        The clock of a process is the one it reads itself.
        """
        before = time.process_time()
        seen = cpuSeconds(os.getpid())
        self.assertLessEqual(before, seen)
        self.assertLessEqual(seen, time.process_time())

    def test_children(self) -> None:
        """
        Children are found while they are there.
        """
        with subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
        ) as child:
            self.assertIn(child.pid, childrenOf(os.getpid()))
            self.assertTrue(isAlive(child.pid))
            child.communicate(b"\n")
        self.assertNotIn(child.pid, childrenOf(os.getpid()))
        self.assertFalse(isAlive(child.pid))


class RunningTests(TestCase):
    """
    What is started is watched, and ends.
    """

    def test_ends(self) -> None:
        """
        A server serves once it left its note, and is gone afterwards.
        """
        competitor = Competitor("one", [sys.executable, "-c", SERVE, NOTES], 0)
        with running(competitor) as server:
            self.assertEqual(server.serving, [server.pid])
            self.assertTrue(isAlive(server.pid))
        self.assertFalse(isAlive(server.pid))

    def test_leftBehind(self) -> None:
        """
        A worker that outlives its primary is killed, and is an error.
        """
        competitor = Competitor("bad", [sys.executable, "-c", ABANDON, NOTES], 1)
        seen: list[int] = []
        with (
            self.assertRaisesRegex(ServerFailed, "bad: did not end when asked to"),
            running(competitor, stopSeconds=0.5) as server,
        ):
            seen += server.serving
        self.assertEqual(len(seen), 1)
        self.assertFalse(isAlive(seen[0]))

    def test_doesNotStart(self) -> None:
        """
        What a server said that ended at once is in the error.
        """
        competitor = Competitor("bad", [sys.executable, "-c", "1 / 0", NOTES], 0)
        with (
            self.assertRaisesRegex(ServerFailed, "(?s)bad: ended.*ZeroDivisionError"),
            running(competitor),
        ):
            self.fail("it does not serve")

    def test_otherWorkers(self) -> None:
        """
        A reading with other workers than it began with is refused.
        """
        competitor = Competitor("other", [], 1)
        server = RunningServer(competitor, os.getpid(), 0, [os.getppid()], {})
        with self.assertRaisesRegex(ServerFailed, "other: began with workers"):
            server.cpuTime()
