"""
A machine that has nothing left, in the kernel's own words.

The errors are real to the processes that get them; see
L{tests.chaos.interception} for why they are had in this way.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator

import pytest

from tests.chaos.exhausting import Crowd, assertKeeps, openDescriptors, twoPorts
from tests.chaos.interception import Interception, whyNot
from tests.integration.running import TWISTD, RunningCluster, until

pytestmark = pytest.mark.skipif(bool(whyNot()), reason=whyNot())

CALLS = ("accept4", "sendmsg", "socketpair")


@pytest.fixture(name="interception")
def _interception() -> Iterator[Interception]:
    """
    Calls that can be made to fail.
    """
    with Interception(*CALLS) as interception:
        yield interception


def start(interception: Interception, *options: str) -> RunningCluster:
    """
    Start a cluster whose calls are intercepted.
    """
    launcher = [*interception.launcher, TWISTD, "-n", "--pidfile="]
    return twoPorts(launcher=launcher, options=options)


@pytest.mark.parametrize("number", [errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accepting(interception: Interception, number: int) -> None:
    """
    A machine without a free file, or without memory for a socket, accepts
    nobody.  The primary says so once and does not spin; everybody waits in the
    backlog, and is served by the right port as soon as there is room.
    """
    with start(interception) as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        interception.fail("accept4", number, cluster.pid)
        crowd = Crowd(cluster, 20)
        key = ("accept4", cluster.pid)
        until(lambda: interception.failed[key] >= 6, "three tries for each port")
        assert crowd.hearsNothing()
        assert len(cluster.log.matches("could not accept a connection on")) == 2
        tries = interception.failed[key]
        interception.heal()
        answers = crowd.answers()
        assert sum(answers.values()) == 40
        # Ten times a second, for each port.
        assert tries < 30
        assertKeeps(cluster.pid, before)


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS])
def test_handingOff(interception: Interception, number: int) -> None:
    """
    While the kernel has no memory for what is on its way, no connection leaves
    the primary, and none is lost; then all are served.
    """
    with start(interception) as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        interception.fail("sendmsg", number, cluster.pid)
        crowd = Crowd(cluster, 20)
        key = ("sendmsg", cluster.pid)
        until(lambda: interception.failed[key] >= 5, "tries")
        assert crowd.hearsNothing()
        interception.heal()
        answers = crowd.answers()
        assert sum(answers.values()) == 40
        assert set(answers) == set(cluster.workerPIDs().values())
        assertKeeps(cluster.pid, before)


def test_starting(interception: Interception) -> None:
    """
    A worker that cannot be started, for want of files, is tried again after a
    delay; until then the others serve.
    """
    with start(interception, "--minrestartdelay", "0.3") as cluster:
        Crowd(cluster, 4).answers()
        before = len(openDescriptors(cluster.pid))
        mark = cluster.log.mark()
        interception.fail("socketpair", errno.ENFILE, cluster.pid)
        killed = cluster.workerPIDs()[1]
        os.kill(killed, signal.SIGKILL)
        failed = r"worker \d could not be started: .*\[Errno 23\]"
        cluster.waitForLine(failed, mark, count=2)
        assert killed not in Crowd(cluster, 10).answers()
        interception.heal()
        cluster.waitForWorkers(mark)
        assert set(Crowd(cluster, 10).answers()) == set(cluster.workerPIDs().values())
        assertKeeps(cluster.pid, before)
