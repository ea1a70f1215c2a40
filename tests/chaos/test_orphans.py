"""
The primary is gone: killed, or crashed.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.integration.asking import connect, readAll
from tests.integration.running import RunningCluster, until
from tests.integration.supervising import Client, orderEach, supervised

UNIX = os.path.join(os.path.dirname(__file__), "applications", "unixorders.py")

ENDS = pytest.mark.parametrize(
    "end", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda end: end.name
)


@ENDS
@pytest.mark.parametrize("words", ["", "block"], ids=["idle", "busy"])
def test_nobodyOutlives(end: signal.Signals, words: str) -> None:
    """
    No worker outlives it, busy or not.
    """
    with supervised() as cluster:
        for client in orderEach(cluster, words) if words else ():
            client.close()
        if words:
            cluster.waitForLine("blocking", count=2)
        cluster.signal(end)
        assert cluster.waitForExit() == -end
        cluster.assertNoneLeft()


class TestFinishing:
    """
    Workers that are allowed to finish.
    """

    @ENDS
    def test_openRequest(self, end: signal.Signals) -> None:
        """
        A client that is being served is served to its end: the worker answers,
        also if it prints something that nobody reads any more.  New clients are
        refused, and when the last one is gone the worker ends, long before its
        time.
        """
        with supervised(options=("--orphan-time", "60")) as cluster:
            port = cluster.port
            with Client(port) as client:
                pid = client.meet()
                cluster.signal(end)
                assert cluster.process.wait(30) == -end
                until(lambda: list(cluster.processes()) == [pid], "one worker left")
                until(lambda: isRefused(port), "a refusal")
                client.order("write something")
                client.order("users")
                assert client.hear().startswith("((")
                assert list(cluster.processes()) == [pid]
            cluster.assertNoneLeft()

    def test_workersAccept(self) -> None:
        """
        So it is where the workers accept for themselves.
        """
        options = ("--orphan-time", "60", "--policy", "none")
        with supervised(workers=1, options=options) as cluster:
            port = cluster.port
            with Client(port) as client:
                pid = client.meet()
                cluster.signal(signal.SIGKILL)
                cluster.process.wait(30)
                until(lambda: isRefused(port), "a refusal")
                client.order("users")
                assert client.hear().startswith("((")
                assert list(cluster.processes()) == [pid]
            cluster.assertNoneLeft()

    def test_busy(self) -> None:
        """
        One that is busy ends when the time is over, and not before.
        """
        with supervised(options=("--orphan-time", "1.5")) as cluster:
            for client in orderEach(cluster, "block"):
                client.close()
            cluster.waitForLine("blocking", count=2)
            cluster.signal(signal.SIGKILL)
            begin = time.monotonic()
            cluster.process.wait(30)
            time.sleep(1)
            assert len(cluster.processes()) == 2
            cluster.assertNoneLeft()
            assert 1.4 < time.monotonic() - begin < 5

    def test_clientStays(self) -> None:
        """
        So does one whose client does not leave.
        """
        with (
            supervised(options=("--orphan-time", "1")) as cluster,
            Client(cluster.port) as client,
        ):
            client.meet()
            cluster.signal(signal.SIGKILL)
            cluster.process.wait(30)
            assert client.hear() == ""
            cluster.assertNoneLeft()


class TestRestart:
    """
    A new primary on the same addresses.
    """

    def start(
        self, path: Path, port: int, *options: str, workers: int = 2
    ) -> RunningCluster:
        """
        Start a cluster on a path and a port.
        """
        return RunningCluster(
            UNIX,
            f"unix:{path}:mode=600",
            f"tcp:{port}:interface=127.0.0.1",
            workers=workers,
            options=options,
        )

    def test_samePath(self, tmp_path: Path) -> None:
        """
        The path that a killed primary left behind is taken over.
        """
        path = tmp_path / "socket"
        with self.start(path, 0) as first:
            first.signal(signal.SIGKILL)
            first.waitForExit()
            first.assertNoneLeft()
        assert path.is_socket()
        with self.start(path, 0):
            assert readAll(connect(str(path)))
        assert not path.exists()

    @pytest.mark.parametrize("words", ["stay", "block"])
    def test_whileOldFinish(self, tmp_path: Path, words: str) -> None:
        """
        The next primary has the same path and the same port while workers of the
        one before are still finishing, also if those are busy.
        """
        path = tmp_path / "socket"
        with self.start(path, 0, "--orphan-time", "20", workers=1) as first:
            port = first.port
            client = connect(port)
            client.sendall(words.encode() + b"\n")
            first.waitForLine(f"{words}ing")
            first.signal(signal.SIGKILL)
            first.process.wait(30)
            assert len(first.processes()) == 1
            with self.start(path, port) as second:
                pids = set(second.workerPIDs().values())
                for address in (str(path), port):
                    answers = {int(readAll(connect(address))) for _ in range(4)}
                    assert answers == pids
                assert len(first.processes()) == 1
            client.close()
            for pid in first.processes():
                os.kill(pid, signal.SIGKILL)


def isRefused(port: int) -> bool:
    """
    Whether nobody listens there any more.
    """
    try:
        connect(port).close()
    except ConnectionRefusedError:
        return True
    except (TimeoutError, ConnectionResetError):
        return False
    return False
