"""
There is no worker for a while, or none that takes anything.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from tests.chaos.exhausting import assertKeeps, openDescriptors
from tests.integration.asking import connect
from tests.integration.running import standingStill, until
from tests.integration.supervising import Client, supervised


class Probing(threading.Thread):
    """
    Connects again and again, and leaves.

    @ivar tries: How often it has tried.
    @ivar refused: How often it was refused.
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.tries = self.refused = 0
        self._port = port
        self._enough = threading.Event()

    def run(self) -> None:
        """
        Try until it is enough.
        """
        while not self._enough.wait(0.002):
            self.tries += 1
            try:
                connect(self._port).close()
            except ConnectionRefusedError:
                self.refused += 1

    def stop(self) -> None:
        """
        Enough.
        """
        self._enough.set()
        self.join()


def test_onlyWorkerBlockedAndKilled() -> None:
    """
    The only worker is busy, a hundred clients wait, and it is killed.  Its
    successor serves all of them, none is cut off; and at no time is anybody
    refused.
    """
    options = ("--threshold", "0")
    with supervised(workers=1, options=options) as cluster:
        port = cluster.port
        before = len(openDescriptors(cluster.pid))
        [worker] = cluster.workerPIDs().values()
        with Client(port) as client:
            client.meet()
            client.order("block")
            cluster.waitForLine("blocking")
        clients = [Client(port) for _ in range(100)]
        probing = Probing(port)
        probing.start()
        mark = cluster.log.mark()
        os.kill(worker, signal.SIGKILL)
        cluster.waitForWorkers(mark)
        [successor] = cluster.workerPIDs().values()
        assert [client.meet() for client in clients] == [successor] * 100
        probing.stop()
        assert probing.tries
        assert probing.refused == 0
        for client in clients:
            client.close()
        assertKeeps(cluster.pid, before)


def test_queueIsBounded() -> None:
    """
    While no worker takes anything the primary keeps as many connections as it was
    told to, and the kernel's backlog the others.  Nobody is accepted to be closed;
    when the workers go on everybody is served, those who came first before those
    who came last.
    """
    options = ("--queue-limit", "20", "--window", "5")
    with supervised(options=options) as cluster:
        port = cluster.port
        before = len(openDescriptors(cluster.pid))
        with standingStill(cluster.workerPIDs().values()):
            # As many as the two workers' windows, the queue, and some; the backlog
            # is Twisted's, 50.
            clients = [Client(port) for _ in range(60)]
            until(
                lambda: len(openDescriptors(cluster.pid)) >= before + 30,
                "a full queue",
            )
            # One batch may be accepted beyond the limit, and no more.
            time.sleep(0.3)
            keeps = len(openDescriptors(cluster.pid))
            assert keeps <= before + 60
            more = [Client(port) for _ in range(20)]
            time.sleep(0.3)
            assert len(openDescriptors(cluster.pid)) == keeps
        pids = [client.meet() for client in clients + more]
        assert set(pids) == set(cluster.workerPIDs().values())
        for client in clients + more:
            client.close()
        assertKeeps(cluster.pid, before)
