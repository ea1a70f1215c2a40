"""
How a cluster ends: in order, in a hurry, and by force; and that nothing is
ever left of it.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.integration.running import TWISTD, RunningCluster, until
from tests.integration.supervising import Client, orderEach, supervised
from twisted_cluster._reactor.signals import SAME_REQUEST

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


def assertClean(cluster: RunningCluster) -> None:
    """
    Nothing went wrong, as far as the log knows.
    """
    assert not cluster.log.matches("Traceback|Unhandled|Error"), str(cluster.log)


class TestOrder:
    """
    Asked once, or twice at the same time.
    """

    @BOTH
    def test_once(self, number: signal.Signals) -> None:
        """
        All workers leave, and nothing is left; the status is twistd's own.
        """
        with supervised() as cluster:
            cluster.signal(number)
            assert cluster.waitForExit() == -number
            cluster.assertNoneLeft()
            assert len(cluster.log.matches(r" is gone \(exit status 0\)$")) == 2
            assertClean(cluster)

    @BOTH
    def test_twiceAtOnce(self, number: signal.Signals) -> None:
        """
        The same request, delivered twice, is one: nobody is killed.
        """
        with supervised() as cluster:
            cluster.signal(number)
            cluster.waitForLine("Received SIG")
            cluster.signal(number)
            assert cluster.waitForExit() == -number
            cluster.assertNoneLeft()
            assert len(cluster.log.matches(r" is gone \(exit status 0\)$")) == 2

    def test_wholeGroup(self) -> None:
        """
        A terminal interrupts all processes of the command; workers leave when
        the primary says so.
        """
        with supervised() as cluster:
            os.killpg(cluster.pid, signal.SIGINT)
            cluster.waitForExit()
            cluster.assertNoneLeft()
            assert len(cluster.log.matches(r" is gone \(exit status 0\)$")) == 2
            assertClean(cluster)

    def test_whileStarting(self) -> None:
        """
        It can be stopped while it starts.
        """
        with supervised(wait=False) as cluster:
            cluster.waitForLine("worker 1 started")
            cluster.signal(signal.SIGTERM)
            cluster.waitForExit()
            cluster.assertNoneLeft()
            assertClean(cluster)

    def test_whileWaitingToRestart(self) -> None:
        """
        It can be stopped while no worker runs, and does not wait for the time
        at which one would.
        """
        options = ("--threshold", "3600", "--minrestartdelay", "3600")
        with supervised(workers=1, options=options) as cluster:
            os.kill(cluster.workerPIDs()[1], signal.SIGKILL)
            cluster.waitForLine("starting another in 3600 s")
            cluster.signal(signal.SIGTERM)
            cluster.waitForExit()
            assertClean(cluster)


class TestForce:
    """
    Workers that do not leave.
    """

    def test_ignoring(self) -> None:
        """
        A worker that ignores SIGTERM is killed after --killtime.
        """
        with supervised("ignore", options=("--killtime", "0.4")) as cluster:
            cluster.waitForLine("ignoring SIGTERM", count=2)
            begin = time.monotonic()
            cluster.signal(signal.SIGTERM)
            cluster.waitForExit()
            assert time.monotonic() - begin >= 0.4
            cluster.assertNoneLeft()
            assert len(cluster.log.matches(r" did not; killing it$")) == 2
            assert len(cluster.log.matches(r" is gone \(killed by SIGKILL\)$")) == 2

    def test_blocked(self) -> None:
        """
        So is one whose reactor does not turn; the others leave in order.
        """
        with supervised(options=("--killtime", "3")) as cluster:
            with Client(cluster.port) as client:
                client.meet()
                client.order("block")
                cluster.waitForLine("blocking")
            cluster.signal(signal.SIGTERM)
            cluster.waitForExit()
            cluster.assertNoneLeft()
            assert len(cluster.log.matches(r" is gone \(killed by SIGKILL\)$")) == 1
            assert len(cluster.log.matches(r" is gone \(exit status 0\)$")) == 1

    @BOTH
    def test_twice(self, number: signal.Signals) -> None:
        """
        Asked again later, it kills the workers that are left at once.
        """
        with supervised("ignore", options=("--killtime", "3600")) as cluster:
            cluster.waitForLine("ignoring SIGTERM", count=2)
            cluster.signal(number)
            cluster.waitForLine("Received SIG")
            # What comes sooner is the same request.
            time.sleep(SAME_REQUEST * 1.1)
            cluster.signal(number)
            cluster.waitForExit()
            cluster.assertNoneLeft()
            assert len(cluster.log.matches("asked to stop again")) == 1
            assert len(cluster.log.matches(r" is gone \(killed by SIGKILL\)$")) == 2


class TestOrphans:
    """
    A primary that is killed.
    """

    def test_idle(self) -> None:
        """
        Its workers end with it.
        """
        with supervised() as cluster:
            cluster.signal(signal.SIGKILL)
            assert cluster.waitForExit() == -signal.SIGKILL
            cluster.assertNoneLeft()

    def test_busy(self) -> None:
        """
        Also those whose reactor does not turn.
        """
        with supervised() as cluster:
            for client in orderEach(cluster, "block"):
                client.close()
            cluster.signal(signal.SIGKILL)
            cluster.waitForExit()
            cluster.assertNoneLeft()


class TestDaemon:
    """
    C{twistd} as a daemon.
    """

    @BOTH
    def test_pidFile(self, number: signal.Signals, tmp_path: Path) -> None:
        """
        It serves in the background, ends when it is signalled, and leaves
        neither its pid file nor a process behind.
        """
        pidFile, logFile = tmp_path / "twistd.pid", tmp_path / "twistd.log"
        launcher = (TWISTD, f"--pidfile={pidFile}", f"--logfile={logFile}")
        with supervised(launcher=launcher, wait=False) as cluster:
            assert cluster.waitForExit() == 0

            def logged(text: str) -> bool:
                return logFile.exists() and text in logFile.read_text()

            until(lambda: logged("is running, 2 of 2"), "a running daemon")
            assert len(cluster.processes()) == 3
            os.kill(int(pidFile.read_text()), number)
            cluster.assertNoneLeft()
            assert not pidFile.exists()
            assert logFile.read_text().count("is gone (exit status 0)") == 2

    def test_daemonKilled(self, tmp_path: Path) -> None:
        """
        Its workers end with it, too.
        """
        pidFile, logFile = tmp_path / "twistd.pid", tmp_path / "twistd.log"
        launcher = (TWISTD, f"--pidfile={pidFile}", f"--logfile={logFile}")
        with supervised(launcher=launcher, wait=False) as cluster:
            cluster.waitForExit()
            until(
                lambda: logFile.exists() and "2 of 2" in logFile.read_text(),
                "a running daemon",
            )
            os.kill(int(pidFile.read_text()), signal.SIGKILL)
            cluster.assertNoneLeft()
