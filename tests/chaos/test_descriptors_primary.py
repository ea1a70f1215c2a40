"""
A primary that has no descriptor left, or whose user has too many on their way.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.chaos.exhausting import (
    Crowd,
    assertKeeps,
    openDescriptors,
    roomFor,
    twoPorts,
)
from tests.integration.running import TWISTD

COULD_NOT_ACCEPT = "could not accept a connection on"


@pytest.mark.parametrize("room", [0, 3])
def test_accepting(room: int) -> None:
    """
    EMFILE: whom there is no room for waits in the backlog, nobody is refused,
    and the log says so once for each port.  Those that there is room for are
    served in the meantime.
    """
    with twoPorts() as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        with roomFor(cluster.pid, room):
            crowd = Crowd(cluster, 30)
            cluster.waitForLine(COULD_NOT_ACCEPT, count=2)
            if not room:
                assert crowd.hearsNothing()
        answers = crowd.answers()
        assert sum(answers.values()) == 60
        assert len(cluster.log.matches(COULD_NOT_ACCEPT)) == 2
        assertKeeps(cluster.pid, before)


def test_starting() -> None:
    """
    A primary without descriptors cannot start a worker either.  It says so,
    tries again, and loses nobody who waits.
    """
    options = ("--threshold", "3600", "--minrestartdelay", "0.5")
    with twoPorts(workers=1, options=options) as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        [worker] = cluster.workerPIDs().values()
        # When the worker is gone, its successor needs what it had, and more.
        with roomFor(cluster.pid, 0):
            resource.prlimit(
                cluster.pid,
                resource.RLIMIT_NOFILE,
                (4, resource.prlimit(cluster.pid, resource.RLIMIT_NOFILE)[1]),
            )
            os.kill(worker, signal.SIGKILL)
            cluster.waitForLine(r"worker 2 could not be started: .*\[Errno 24\]")
            crowd = Crowd(cluster, 30)
            assert crowd.hearsNothing()
        [successor] = crowd.answers()
        assert successor in cluster.workerPIDs().values()
        assertKeeps(cluster.pid, before)


# -- too many references

USER = 64217
"""
A user that nothing else runs as: what is on its way is counted for each user.
"""

# The user has one privilege left, to find the interpreter and the modules where
# they are; it is none of those that lift the kernel's limit.
_READS = "+dac_read_search"
AS_USER = [
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    *(f"--inh-caps=-all,{_READS}", f"--ambient-caps=-all,{_READS}"),
    f"--bounding-set=-all,{_READS}",
]

LIMITED = """
import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.execvp(sys.argv[2], sys.argv[2:])
"""

HOARD = """
import socket, sys
# This process may have more on their way than the primary.
here, there = socket.socketpair()
with open("/dev/null") as nothing:
    for _ in range(4):
        socket.send_fds(here, [b"x"], [nothing.fileno()] * 250)
print("full", flush=True)
sys.stdin.read()
"""


@contextmanager
def tooMuchUnderway() -> Iterator[None]:
    """
    For a while, the user has a thousand descriptors on their way.
    """
    with subprocess.Popen(
        [*AS_USER, sys.executable, "-c", HOARD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
    ) as hoarder:
        assert hoarder.stdout is not None
        assert hoarder.stdin is not None
        assert hoarder.stdout.readline() == b"full\n"
        try:
            yield
        finally:
            hoarder.stdin.close()


@pytest.fixture(name="readable")
def _readable() -> Iterator[str]:
    """
    A directory that the user can be in.
    """
    directory = tempfile.mkdtemp(dir="/tmp")
    os.chmod(directory, 0o755)
    yield directory
    shutil.rmtree(directory)


def whyNot() -> str:
    """
    Why the user cannot be had; empty if it can.
    """
    if not sys.platform.startswith("linux"):
        return "only Linux counts what is on its way"
    if os.geteuid() != 0:
        return "becoming a user that has no privileges needs root"
    if shutil.which("setpriv") is None:
        return "there is no setpriv"
    return ""


@pytest.mark.skipif(bool(whyNot()), reason=whyNot())
def test_tooManyUnderway(readable: str) -> None:
    """
    ETOOMANYREFS: more descriptors of this user are on their way than the
    primary may have open.  It says so once; nothing is handed over meanwhile,
    nobody is lost, and all are served by the right port when there is room.
    """
    launcher = [
        *(sys.executable, "-c", LIMITED, "300", *AS_USER),
        *(TWISTD, "-n", "--pidfile="),
    ]
    with twoPorts(launcher=launcher, cwd=readable) as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        mark = cluster.log.mark()
        with tooMuchUnderway():
            crowd = Crowd(cluster, 20)
            cluster.waitForLine(r"cannot be sent at present: \[Errno 109\]", mark)
            assert crowd.hearsNothing()
        assert sum(crowd.answers().values()) == 40
        # Once for each worker.
        assert len(cluster.log.matches("cannot be sent at present", mark)) <= 2
        assertKeeps(cluster.pid, before)
