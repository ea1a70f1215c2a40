"""
Running a cluster as a user does, and watching it through its log.

Nothing here sleeps for a time that should be enough.  What happens to a
cluster is in its log, so that is what is waited for, always with a limit:
L{Log.waitForLine}.  The few things that no line tells are asked for again and
again until they are so: L{until}.

Every process of a cluster has a mark of its own in its environment, and hands
it on to whatever it starts.  So L{RunningProgram.stop} can tell that really
none is left, workers of workers and orphans included.  This needs C{/proc}.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import IO, TypeVar

from typing_extensions import Self

APPLICATIONS = os.path.join(os.path.dirname(__file__), "applications")
"""
The directory of the sample applications.
"""

TIMEOUT = 30.0
"""
Seconds until a test that waits for something fails.  What is waited for takes
a fraction of a second; the rest is for machines that are busy otherwise.
"""

TWISTD = os.path.join(sysconfig.get_path("scripts"), "twistd")
"""
The C{twistd} of the interpreter that runs the tests.
"""

TWIST = (sys.executable, "-m", "twisted")
"""
C{twist} of the same.
"""

_MARK = "CLUSTER_OF_A_TEST"

_T = TypeVar("_T")


def until(ask: Callable[[], _T | None], what: str, timeout: float = TIMEOUT) -> _T:
    """
    Ask until there is an answer, for what no event tells of.

    @param ask: Returns something false as long as the answer is no.
    @param what: What is waited for, to be told if it does not happen.

    @return: The answer.

    @raise AssertionError: if there is none in time.
    """
    deadline = time.monotonic() + timeout
    while not (answer := ask()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.01)
    return answer


@contextmanager
def standingStill(pids: Iterable[int]) -> Iterator[None]:
    """
    Stop processes with SIGSTOP, and let them go on in the end.
    """
    pids = list(pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for pid in pids:
            until(partial(_isStopped, pid), f"process {pid} is stopped")
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _isStopped(pid: int) -> bool:
    # After the command's name in parentheses comes the state.
    return _procFile(str(pid), "stat").rpartition(b")")[2].split()[:1] == [b"T"]


class Log:
    """
    The lines that a process writes, as they come.

    They are read by a thread, so that whoever writes them never waits for a
    test to read.

    @ivar lines: All lines until now, without their ends.  They only get more,
        so a number of lines is a place in the log: see L{mark}.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        """
        @param stream: Where they come from; this object closes it.
        """
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._append(line.decode("utf-8", "backslashreplace").rstrip("\r\n"))
        self._append(None)

    def _append(self, line: str | None) -> None:
        with self._changed:
            if line is None:
                self._ended = True
            else:
                self.lines.append(line)
            self._changed.notify_all()

    def __str__(self) -> str:
        with self._changed:
            return "\n".join(self.lines)

    def mark(self) -> int:
        """
        This moment, for C{after}.
        """
        with self._changed:
            return len(self.lines)

    def matches(self, pattern: str, after: int = 0) -> list[re.Match[str]]:
        """
        Look for a regular expression in the lines that are there.

        @param after: Only what came after this L{mark}.
        """
        with self._changed:
            found = (re.search(pattern, line) for line in self.lines[after:])
            return [match for match in found if match]

    def waitForLine(
        self, pattern: str, after: int = 0, count: int = 1, timeout: float = TIMEOUT
    ) -> re.Match[str]:
        """
        Wait for a line.

        @param pattern: A regular expression that is somewhere in the line.
        @param after: Only what came after this L{mark}.
        @param count: How many such lines to wait for.

        @return: The match in the last of them.

        @raise AssertionError: if they do not come in time, or cannot any more;
            it shows the log.
        """
        found: list[re.Match[str]] = []

        def enough() -> bool:
            found[:] = self.matches(pattern, after)
            return len(found) >= count or self._ended

        # The lock of a condition can be acquired again by its owner.
        with self._changed:
            self._changed.wait_for(enough, timeout)
            if len(found) < count:
                reason = "the log ended" if self._ended else f"not in {timeout:g} s"
                raise AssertionError(
                    f"{len(found)} of {count} lines with {pattern!r}, and {reason}:\n"
                    + "\n".join(self.lines)
                )
        return found[count - 1]

    def waitForEnd(self, timeout: float = TIMEOUT) -> None:
        """
        Wait until everything is read that was written.

        @raise AssertionError: if somebody still has the log open.
        """
        self._reader.join(timeout)
        if self._reader.is_alive():
            raise AssertionError(f"the log did not end in {timeout:g} s:\n{self}")


class RunningProgram:
    """
    A command that runs, with everything that it starts.

    As a context manager it is stopped at the end.

    @ivar process: The process itself.
    @ivar log: What it writes to standard output and standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        cwd: str = APPLICATIONS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """
        @param environment: What to add to this process's.
        """
        self._mark = secrets.token_hex(8)
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**_surroundings(), **(environment or {}), _MARK: self._mark},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # So that nothing that a test does to a process group hits pytest.
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.log = Log(self.process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """
        The process id of the command: the primary's, unless it is a daemon.
        """
        return self.process.pid

    def waitForLine(
        self, pattern: str, after: int = 0, count: int = 1, timeout: float = TIMEOUT
    ) -> re.Match[str]:
        """
        Wait for a line in the log: see L{Log.waitForLine}.
        """
        return self.log.waitForLine(pattern, after, count, timeout)

    def processes(self) -> dict[int, str]:
        """
        Every living process of this program, by its process id, with its
        command line.
        """
        mark = f"{_MARK}={self._mark}".encode()
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and mark in _procFile(entry, "environ").split(b"\0"):
                words = _procFile(entry, "cmdline").split(b"\0")
                found[int(entry)] = b" ".join(words).decode(errors="replace").strip()
        return found

    def signal(self, number: signal.Signals) -> None:
        """
        Send the command's process a signal.
        """
        self.process.send_signal(number)

    def waitForExit(self, timeout: float = TIMEOUT) -> int:
        """
        Wait until the command has ended by itself, and its log is complete.

        @return: Its exit status; negative if it was ended by a signal.

        @raise AssertionError: if it does not end; it shows the log.
        """
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.process.args!r} did not end in {timeout:g} s:\n{self.log}"
            ) from None
        self.log.waitForEnd(timeout)
        return status

    def assertNoneLeft(self, timeout: float = 5.0) -> None:
        """
        Fail if any process of this program outlives it.

        @param timeout: What one may need to notice.
        """
        until(
            lambda: not self.processes(),
            f"no process left; there is {self.processes()}\n{self.log}",
            timeout,
        )

    def stop(self, timeout: float = TIMEOUT) -> int:
        """
        Ask it to end, with SIGTERM, and see that it does so and that nothing
        is left of it.  What does is killed, so that no test harms another.

        @return: The exit status; also if it had ended before.

        @raise AssertionError: if it had to be killed, or left processes behind.
        """
        try:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
            status = self.waitForExit(timeout)
            self.assertNoneLeft()
        finally:
            self._killAll()
        return status

    def _killAll(self) -> None:
        """
        Leave nothing behind, whatever happened.
        """
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait(TIMEOUT)
        self.log.waitForEnd()


class RunningCluster(RunningProgram):
    """
    C{twistd -n cluster} with a target.

    @ivar workers: How many workers it is to have.
    """

    def __init__(
        self,
        *target: str,
        workers: int = 2,
        options: Sequence[str] = (),
        launcher: Sequence[str] = (TWISTD, "-n", "--pidfile="),
        cwd: str = APPLICATIONS,
        environment: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        """
        @param target: The target, and its arguments.
        @param options: The options of C{cluster} itself.
        @param launcher: What comes before C{cluster}.
        @param wait: Whether to wait for all workers to run; otherwise the
            command has only been started.
        """
        self.workers = workers
        RunningProgram.__init__(
            self,
            [*launcher, "cluster", "--workers", str(workers), *options, *target],
            cwd,
            environment,
        )
        if wait:
            try:
                self.waitForWorkers()
            except BaseException:
                self._killAll()
                raise

    def waitForWorkers(self, after: int = 0) -> None:
        """
        Wait until as many workers run as there shall be.
        """
        self.waitForLine(f" is running, {self.workers} of {self.workers}$", after)

    def workerPIDs(self) -> dict[int, int]:
        """
        The process id of each worker that was started and is not gone, by the
        worker's number, as the log tells it.
        """
        pids = {
            int(match[1]): int(match[2])
            for match in self.log.matches(r"worker (\d+) started, process (\d+)$")
        }
        for match in self.log.matches(r"worker (\d+) is gone "):
            pids.pop(int(match[1]), None)
        return pids

    @property
    def ports(self) -> list[int]:
        """
        The number of each TCP port that was opened, in that order.
        """
        return self.portsOf("tcp")

    def portsOf(self, kind: str) -> list[int]:
        """
        The same for another kind of port: C{tcp} or C{udp}.
        """
        pattern = rf"listening on {kind} \S+:(\d+) for the workers$"
        return [int(match[1]) for match in self.log.matches(pattern)]

    @property
    def port(self) -> int:
        """
        The number of the only TCP port.
        """
        [port] = self.ports
        return port


def _surroundings() -> dict[str, str]:
    """
    This process's environment, without what would change how a cluster runs.
    """
    unwanted = {"WEB_CONCURRENCY", "TWISTED_CLUSTER_SCHED_POLICY"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def _procFile(pid: str, name: str) -> bytes:
    """
    Read what the kernel says about a process; nothing if it has ended, or is
    somebody else's.
    """
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""
