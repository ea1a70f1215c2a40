"""
Starting what is measured, watching it in C{/proc}, and leaving nothing behind.

Linux only: the processor time of another process is read from its clock, and
its children from C{/proc/PID/task/*/children}.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from attrs import field, frozen

SERVERS = Path(__file__).parent / "servers"

# Arguments of a command that are replaced when it is run.
PORT = "{port}"
NOTES = "{notes}"

# States of /proc/PID/stat.  A process that nobody has waited for is not left
# behind: where no process collects orphans, such stay for ever.
ENDED = "ZX"

# How long a server may take to start, and to end.
START_SECONDS = 30.0
STOP_SECONDS = 15.0


class ServerFailed(Exception):
    """
    A server did not start, or did not stay as it was.
    """


@frozen
class Competitor:
    """
    Something to measure.

    @ivar name: What the tables call it.
    @ivar command: Its command line, in which L{PORT} and L{NOTES} stand for a
        free port and for the folder where its processes leave their notes.
    @ivar workers: How many children serve; none if the process itself does.
    """

    name: str
    command: Sequence[str]
    workers: int


@frozen
class CPUTime:
    """
    Processor time, user and system, in seconds.

    @ivar primary: Of the process that accepts and hands over; 0 if there is
        none.
    @ivar workers: Of the processes that run the server, added up.
    """

    primary: float
    workers: float

    def __sub__(self, earlier: CPUTime) -> CPUTime:
        """
        What was used since.
        """
        return CPUTime(self.primary - earlier.primary, self.workers - earlier.workers)


@frozen
class RunningServer:
    """
    A L{Competitor} that serves.

    @ivar pid: The process that was started.
    @ivar port: Where it listens.
    @ivar serving: The processes that run the server: the workers, or the
        process itself.
    @ivar notes: What each of them wrote down, by its process number.
    """

    competitor: Competitor
    pid: int
    port: int
    serving: Sequence[int]
    notes: dict[int, dict[str, Any]] = field(repr=False)

    def cpuTime(self) -> CPUTime:
        """
        What the server has used so far.

        @raise ServerFailed: if its workers are not those it began with; then
            no difference of two readings means anything.
        """
        workers = childrenOf(self.pid) if self.competitor.workers else [self.pid]
        if sorted(workers) != sorted(self.serving):
            raise ServerFailed(
                f"{self.competitor.name}: began with workers {self.serving}, "
                f"has {workers}"
            )
        return CPUTime(
            cpuSeconds(self.pid) if self.competitor.workers else 0.0,
            sum(cpuSeconds(worker) for worker in workers),
        )


def cpuSeconds(pid: int) -> float:
    """
    The processor time of a process, user and system, with all its threads.

    This is the clock of C{clock_getcpuclockid(3)}, which counts nanoseconds;
    the numbers in C{/proc/PID/stat} are the same in ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


def childrenOf(pid: int) -> list[int]:
    """
    The processes that a process started and that have not ended, oldest first;
    none if it is gone itself.
    """
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(found)


def runMain(main: Callable[[], int]) -> NoReturn:
    """
    Run the main function of a benchmark, and exit with its code.

    A server that failed is one message.  C{SIGTERM} ends it as C{SIGINT} does,
    so that what it started is stopped.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        sys.exit(main())
    except ServerFailed as e:
        sys.exit(f"failed: {e}")


def freePort() -> int:
    """
    A TCP port that nothing listens on.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def twistdCommand() -> list[str]:
    """
    How to run the C{twistd} that belongs to this interpreter.
    """
    return [str(Path(sys.executable).parent / "twistd"), "-n"]


def whyNoTwistdCluster() -> str | None:
    """
    Why C{twistd cluster} cannot be measured; C{None} if it can.
    """
    try:
        done = subprocess.run(
            [*twistdCommand(), "cluster", "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as e:
        return f"twistd cannot be run: {e}"
    if done.returncode == 0:
        return None
    lines = (done.stdout + done.stderr).strip().splitlines()
    return f"twistd cluster is not installed ({lines[-1] if lines else 'no output'})"


def whyNoNode() -> str | None:
    """
    Why Node's cluster cannot be measured; C{None} if it can.
    """
    return None if shutil.which("node") else "node is not on PATH"


def waitFor(
    condition: Callable[[], bool],
    alive: Callable[[], bool],
    what: str,
    seconds: float,
    interval: float = 0.005,
) -> None:
    """
    Wait until C{condition} holds.

    @raise ServerFailed: if that takes too long, or C{alive} holds no more.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if not alive():
            raise ServerFailed(f"ended while waiting until {what}")
        if time.monotonic() > deadline:
            raise ServerFailed(f"waited {seconds:g} s in vain until {what}")
        time.sleep(interval)


def readNotes(folder: Path) -> dict[int, dict[str, Any]]:
    """
    The notes that are complete, by the number of the process that left them.
    """
    return {
        int(note.name): json.loads(note.read_text())
        for note in folder.iterdir()
        if note.name.isdigit()
    }


@contextmanager
def spawned(
    competitor: Competitor, folder: Path, stopSeconds: float = STOP_SECONDS
) -> Iterator[tuple[subprocess.Popen[bytes], Path, int]]:
    """
    Run the command of a competitor, in a folder of its own, while in the
    context.

    @param stopSeconds: How long it may take to end.
    @return: The process, the folder for its notes, and its port.
    @raise ServerFailed: at the end, if the processes did not all end when the
        first one was asked to.  Then they have been killed.
    """
    notes = folder / "notes"
    notes.mkdir()
    port = freePort()
    places = {PORT: str(port), NOTES: str(notes)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [places.get(argument, argument) for argument in competitor.command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A session of its own: what is left of it can be found and ended.
            start_new_session=True,
        )
    try:
        yield process, notes, port
    except BaseException as e:
        try:
            stop(process, competitor.name, stopSeconds)
        except ServerFailed as alsoFailed:
            raise ServerFailed(f"{e}\n{alsoFailed}") from e
        raise
    stop(process, competitor.name, stopSeconds)


def stop(process: subprocess.Popen[bytes], name: str, seconds: float) -> None:
    """
    Ask a process to end, and see that its children and whole session do.

    @raise ServerFailed: if anybody had to be killed.
    """
    children = childrenOf(process.pid)

    def left() -> list[int]:
        # By their numbers too: a child may have begun a session of its own.
        return sorted({*sessionMembers(process.pid), *filter(isAlive, children)})

    process.terminate()
    deadline = time.monotonic() + seconds
    while (process.poll() is None or left()) and time.monotonic() < deadline:
        time.sleep(0.005)
    stubborn = left()
    for pid in stubborn:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            # It ended after all.
            continue
    process.wait()
    if stubborn:
        waitFor(lambda: not left(), lambda: True, "the killed are gone", STOP_SECONDS)
        raise ServerFailed(f"{name}: did not end when asked to: {stubborn}")


def sessionMembers(session: int) -> list[int]:
    """
    The processes of a session that have not ended.
    """
    numbers = [
        int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()
    ]
    return [
        number
        for number in numbers
        if (found := stateAndSession(number)) is not None
        and found[1] == session
        and found[0] not in ENDED
    ]


def isAlive(pid: int) -> bool:
    """
    Whether there is such a process, and it has not ended.
    """
    found = stateAndSession(pid)
    return found is not None and found[0] not in ENDED


def stateAndSession(pid: int) -> tuple[str, int] | None:
    """
    The state letter and the session of a process; C{None} if there is none.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parseStat(stat)


def parseStat(stat: str) -> tuple[str, int]:
    """
    The state letter and the session in the text of C{/proc/PID/stat}.
    """
    # The second field is the program's name in brackets, and may itself have
    # brackets and blanks in it.
    state, _, _, session = stat[stat.rindex(")") + 1 :].split()[:4]
    return state, int(session)


@contextmanager
def running(
    competitor: Competitor,
    stopSeconds: float = STOP_SECONDS,
    startSeconds: float = START_SECONDS,
) -> Iterator[RunningServer]:
    """
    Have a competitor serve while in the context.

    It serves when each of its workers has left its note, which each does when
    its reactor runs, and when its port, if its command names one, accepts a
    connection.

    @raise ServerFailed: if it does not start, or leaves processes behind.
    """

    def allServe() -> bool:
        expected = childrenOf(process.pid) if competitor.workers else [process.pid]
        return (
            len(expected) == (competitor.workers or 1)
            and set(readNotes(notes)) == set(expected)
            and (PORT not in competitor.command or accepts(port))
        )

    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        with spawned(competitor, folder, stopSeconds) as (process, notes, port):
            try:
                waitFor(
                    allServe,
                    lambda: process.poll() is None,
                    "it serves",
                    startSeconds,
                )
            except ServerFailed as e:
                said = (folder / "output").read_text(errors="replace")
                raise ServerFailed(f"{competitor.name}: {e}\n{said}") from e
            found = readNotes(notes)
            yield RunningServer(competitor, process.pid, port, sorted(found), found)


def accepts(port: int) -> bool:
    """
    Whether somebody listens there.  Waits for the end of the connection, so
    that none of it is left when the measuring begins.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as client:
            while client.recv(64):
                pass
    except OSError:
        return False
    return True
