"""
Tests of L{twisted_cluster._run.journal}.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._primary.roster import Roster
from twisted_cluster._run.journal import Journal
from twisted_cluster.settings import HandoffSettings, SchedulingPolicy, WorkerProgram
from twisted_cluster.testing.ports import MemoryPortOpener
from twisted_cluster.testing.processes import MemoryProcess, MemorySpawner


class JournalTests(SynchronousTestCase):
    """
    Tests of L{Journal}.
    """

    def setUp(self) -> None:
        """
        Make a roster with a journal.
        """
        self.spawner = MemorySpawner()
        self.addCleanup(self.spawner.close)
        self.roster = Roster(
            SchedulingPolicy.RR,
            HandoffSettings(),
            self.spawner,
            MemoryPortOpener(),
            Clock(),
        )
        self.roster.addObserver(Journal(wanted=2))

    def fork(self) -> MemoryProcess:
        """
        Start a worker.
        """
        self.roster.fork(WorkerProgram(arguments=(), environment={}), 0)
        return self.spawner.processes[-1]

    def written(self, events: Sequence[LogEvent]) -> list[str]:
        """
        What was logged, as it is read.
        """
        return [formatEvent(event) for event in events]

    def test_life(self) -> None:
        """
        A worker's start, its running and its end are one line each.
        """
        with capturedLogs() as events:
            process = self.fork()
            started = self.written(events)
            process.worker.comeUp()
            process.end(3)
        self.assertEqual(started, ["worker 1 started, process 1001"])
        self.assertEqual(
            self.written(events)[1:],
            ["worker 1 is running, 1 of 2", "worker 1 is gone (exit status 3)"],
        )

    def test_counts(self) -> None:
        """
        It counts those that run: one that has ended no more, and one that has
        not come up not yet.
        """
        with capturedLogs() as events:
            first, second, _ = self.fork(), self.fork(), self.fork()
            first.worker.comeUp()
            second.worker.comeUp()
            first.end(signal="SIGKILL")
            self.fork().worker.comeUp()
        running = [line for line in self.written(events) if "running" in line]
        self.assertEqual(
            running,
            [
                "worker 1 is running, 1 of 2",
                "worker 2 is running, 2 of 2",
                "worker 4 is running, 2 of 2",
            ],
        )
