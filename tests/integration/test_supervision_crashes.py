"""
What becomes of a cluster, and of its clients, when workers end.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from contextlib import suppress

from tests.integration.running import RunningCluster, standingStill, until
from tests.integration.supervising import Client, answered, meet, supervised
from twisted_cluster._primary.handoffport import LOSS_LIMIT


class AskingThread(threading.Thread):
    """
    A client that connects again and again.

    @ivar answers: Who answered each connection; C{None} if nobody did.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.answers: list[int | None] = []
        self._port = port
        self._enough = False

    def run(self) -> None:
        """
        Ask until it is enough.
        """
        while not self._enough:
            self.answers.append(meet(self._port))

    def waitFor(self, pids: set[int]) -> None:
        """
        Wait until each of these has answered from now on.
        """
        start = len(self.answers)
        until(lambda: pids <= set(self.answers[start:]), f"answers of {pids}")

    def stop(self) -> list[int | None]:
        """
        Enough.

        @return: All answers.
        """
        self._enough = True
        self.join()
        return self.answers


class TestReplacement:
    """
    One worker ends, the others go on.
    """

    def test_killed(self) -> None:
        """
        A worker that is killed is replaced; meanwhile all clients are
        served, except one whose connection the killed worker may have had.
        """
        options = ("--threshold", "0.01")
        with supervised(workers=3, options=options) as cluster:
            before = cluster.workerPIDs()
            asking = AskingThread(cluster.port)
            asking.start()
            asking.waitFor(set(before.values()))
            mark = cluster.log.mark()
            os.kill(before[2], signal.SIGKILL)
            cluster.waitForLine(r"worker 2 is gone \(killed by SIGKILL\)", mark)
            gone = len(asking.answers)
            cluster.waitForWorkers(mark)
            after = cluster.workerPIDs()
            assert sorted(after) == [1, 3, 4]
            asking.waitFor(set(after.values()))
            answers = asking.stop()
        assert answers.count(None) <= 1
        # One may have been answered before the line was read.
        assert before[2] not in answers[gone + 1 :]

    def test_notTaken(self) -> None:
        """
        Connections that were handed to a worker which ends before it has
        taken them are all served by others.
        """
        with supervised(workers=3) as cluster:
            blocked = cluster.workerPIDs()[1]
            # It may be gone when it is told to go on.
            with suppress(ProcessLookupError), standingStill([blocked]):
                clients = [Client(cluster.port) for _ in range(30)]
                until(lambda: len(answered(clients)) >= 20, "answers of the others")
                assert len(answered(clients)) == 20
                os.kill(blocked, signal.SIGKILL)
            met = [client.meet() for client in clients]
            for client in clients:
                client.close()
        assert None not in met
        assert blocked not in met

    def test_status(self) -> None:
        """
        The log says how a worker ended.
        """
        with supervised(options=("--threshold", "0")) as cluster:
            with Client(cluster.port) as client:
                client.meet()
                mark = cluster.log.mark()
                client.order("exit 7")
                assert client.hear() == ""
            cluster.waitForLine(r"worker \d ended \(exit status 7\); .* now", mark)
            cluster.waitForWorkers(mark)

    def test_allKilled(self) -> None:
        """
        The port is open while there is no worker; clients wait for the next.
        """
        options = ("--threshold", "3600", "--minrestartdelay", "0.5")
        with supervised(options=options) as cluster:
            mark = cluster.log.mark()
            before = cluster.workerPIDs()
            for pid in before.values():
                os.kill(pid, signal.SIGKILL)
            cluster.waitForLine(r" is gone ", mark, count=2)
            assert cluster.workerPIDs() == {}
            answer = meet(cluster.port)
            assert answer in cluster.workerPIDs().values()
            assert answer not in before.values()


class TestPoison:
    """
    A connection is the end of whichever worker takes it.
    """

    def test_notForEver(self) -> None:
        """
        It is the end of so many workers, and then it is closed.  The client is told,
        and everybody else is served.
        """
        program = os.path.join(os.path.dirname(__file__), "applications/poisoned.py")
        with RunningCluster(program, workers=3, options=("-t", "0")) as cluster:
            mark = cluster.log.mark()
            with socket.create_connection(
                ("127.0.0.1", cluster.port), source_address=("127.0.0.2", 0)
            ) as poison:
                poison.settimeout(30)
                with suppress(ConnectionResetError):
                    assert poison.recv(1) == b""
            ended = r"is gone \(exit status 7\)"
            cluster.waitForLine("closing a connection that", mark)
            until(lambda: len(cluster.log.matches(ended, mark)) >= LOSS_LIMIT, "ends")
            cluster.waitForWorkers(mark)
            answers = [meet(cluster.port) for _ in range(12)]
            assert set(answers) == set(cluster.workerPIDs().values())
            assert len(cluster.log.matches(ended, mark)) == LOSS_LIMIT


class TestCrashLoop:
    """
    A program that ends again and again.
    """

    def test_delays(self) -> None:
        """
        It is started again after delays that double, up to the maximum.
        """
        options = (
            *("--threshold", "60", "--minrestartdelay", "0.2"),
            *("--maxrestartdelay", "0.5"),
        )
        with supervised("crash", workers=1, options=options, wait=False) as cluster:
            cluster.waitForLine(r"worker 1 started")
            begin = time.monotonic()
            cluster.waitForLine(r"worker 5 started")
            lasted = time.monotonic() - begin
            found = cluster.log.matches(r"worker (\d) ended .*; starting another (.*)$")
            assert [(match[1], match[2]) for match in found[:4]] == [
                ("1", "in 0.2 s"),
                ("2", "in 0.4 s"),
                ("3", "in 0.5 s"),
                ("4", "in 0.5 s"),
            ]
            assert lasted >= 1.6

    def test_neverRan(self) -> None:
        """
        A program that cannot run is tried once, by one worker; its own message
        is in the log, and the command fails.
        """
        with supervised(workers=2, port=99999, wait=False) as cluster:
            assert cluster.waitForExit() == 1
            assert len(cluster.log.matches(r" started, process ")) == 1
            assert len(cluster.log.matches(r"giving up: worker 1 ended")) == 1
            assert re.search(r"\[worker 1\] .*Error", str(cluster.log))
