"""
Tests of L{twisted_cluster._primary.fleet}.
"""

from __future__ import annotations

import errno

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._primary.observers import RecordingObserver
from twisted_cluster._primary.fleet import PATIENCE, Fleet
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._supervision.lifecycle import State
from twisted_cluster.errors import FailedToStart
from twisted_cluster.settings import (
    ClusterSettings,
    SupervisionSettings,
    WorkerProgram,
)
from twisted_cluster.testing.ports import MemoryPortOpener
from twisted_cluster.testing.processes import MemoryProcess, MemorySpawner

SUPERVISION = SupervisionSettings(
    threshold=10, killTime=5, minRestartDelay=1, maxRestartDelay=4
)


class SuddenProcess(MemoryProcess):
    """
    A process whose end is seen while it is being signalled.
    """

    def signalProcess(self, signalID: str | int) -> None:
        """
        End at once.
        """
        super().signalProcess(signalID)
        self.end(signal=f"SIG{self.signals[-1]}")


class FleetCase(SynchronousTestCase):
    """
    A fleet in memory, not started.
    """

    wanted = 2

    def setUp(self) -> None:
        """
        Make the fleet.
        """
        self.clock = Clock()
        self.spawner = MemorySpawner()
        self.gaveUp: list[FailedToStart] = []
        settings = ClusterSettings(
            program=WorkerProgram(arguments=(), environment={}),
            workers=self.wanted,
            supervision=SUPERVISION,
        )
        self.roster = Roster(
            settings.policy,
            settings.handoff,
            self.spawner,
            MemoryPortOpener(),
            self.clock,
        )
        self.fleet = Fleet(self.roster, settings, self.clock, self.gaveUp.append)
        self.addCleanup(self.spawner.close)

    def start(self) -> list[MemoryProcess]:
        """
        Start the fleet, and have all workers run.
        """
        self.fleet.start()
        self.comeUpAll()
        self.comeUpAll()
        self.assertEqual(len(self.spawner.living), self.wanted)
        return self.spawner.living

    def comeUpAll(self) -> None:
        """
        Have every worker run that has said nothing yet.
        """
        for process in self.spawner.living:
            lifecycle = self.roster.workers[process.workerID].lifecycle
            if lifecycle.state is State.STARTING:
                process.worker.comeUp()

    @property
    def workers(self) -> list[WorkerHandle]:
        """
        The workers that are not gone.
        """
        return list(self.roster.workers.values())

    @property
    def slots(self) -> list[int]:
        """
        The slots that are filled.
        """
        return sorted(worker.slot for worker in self.workers)

    def signals(self) -> list[list[str]]:
        """
        What each process was sent.
        """
        return [process.signals for process in self.spawner.processes]


class StartTests(FleetCase):
    """
    How a fleet comes up.
    """

    wanted = 4

    def test_canary(self) -> None:
        """
        Until one worker runs there is no other; then all are started.
        """
        self.fleet.start()
        self.assertEqual(self.slots, [0])
        [canary] = self.spawner.processes
        canary.worker.announce()
        self.assertEqual(self.slots, [0])
        canary.worker.run()
        self.assertEqual(self.slots, [0, 1, 2, 3])

    def test_patience(self) -> None:
        """
        When the first worker's program takes long, it is said, once, what the
        others wait for.
        """
        with capturedLogs() as events:
            self.fleet.start()
            self.spawner.processes[0].worker.announce()
            self.clock.advance(PATIENCE)
            self.clock.advance(PATIENCE)
        said = [formatEvent(event) for event in events]
        [waiting] = [line for line in said if "has not run a reactor" in line]
        self.assertIn("3 more will be started", waiting)

    def test_noNeedOfPatience(self) -> None:
        """
        When it runs in time, nothing is said, and no timer is left but the one
        that looks whether its reactor turns.
        """
        self.fleet.start()
        self.spawner.processes[0].worker.comeUp()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.workers[0].pulse.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_messages(self) -> None:
        """
        Messages that a worker's program sends are taken, though nobody wants
        them: the program would wait for it before it ends.  That is said, once.
        """
        self.fleet.start()
        [canary] = self.spawner.processes
        canary.worker.comeUp()
        with capturedLogs() as events:
            for _ in range(3):
                delivered = canary.worker.sendMessage("hello")
                canary.worker.deliver()
                self.successResultOf(delivered)
        [event] = events
        self.assertIn("they are dropped", formatEvent(event))

    def test_nothingBefore(self) -> None:
        """
        Nothing is started before the fleet is.
        """
        self.clock.advance(100)
        self.assertEqual(self.spawner.processes, [])

    def test_failedToStart(self) -> None:
        """
        A program that ends before it ran is not started again; that is
        reported, once.
        """
        self.fleet.start()
        self.spawner.processes[0].worker.announce()
        self.spawner.processes[0].end(3)
        self.clock.pump([1] * 10)
        [problem] = self.gaveUp
        self.assertEqual(
            str(problem),
            "worker 1 ended before its program was running (exit status 3)",
        )
        self.assertEqual(len(self.spawner.processes), 1)

    def test_leavesByItself(self) -> None:
        """
        A worker whose program wants to leave is replaced like one that ended: one
        that does so at once is not started again without a delay.
        """
        self.fleet.start()
        self.spawner.processes[0].worker.comeUp()
        self.clock.advance(0)
        for process in self.spawner.living[1:]:
            process.worker.comeUp()
        before = len(self.spawner.processes)
        for _ in range(2):
            leaving = self.spawner.living[0]
            leaving.worker.leaveItself()
            leaving.end()
            self.clock.advance(0)
        self.assertEqual(len(self.spawner.processes), before)
        self.clock.advance(SUPERVISION.minRestartDelay)
        self.assertEqual(len(self.spawner.processes), before + 2)

    def test_leavesBeforeItRan(self) -> None:
        """
        Nor is one that leaves by itself before it ran: its program cannot be
        started.
        """
        self.fleet.start()
        canary = self.spawner.processes[0]
        canary.worker.announce()
        canary.worker.leaveItself()
        canary.end()
        self.clock.pump([1] * 10)
        [problem] = self.gaveUp
        self.assertEqual((problem.workerID, len(self.spawner.processes)), (1, 1))

    def test_cannotBeSpawned(self) -> None:
        """
        Nor is it if its process could not be started.
        """
        self.spawner.failNext(errno.ENOENT)
        self.fleet.start()
        self.clock.pump([1] * 10)
        [problem] = self.gaveUp
        self.assertEqual((problem.workerID, self.spawner.processes), (1, []))

    def test_stopAfterFailure(self) -> None:
        """
        A fleet that gave up can be stopped; nothing is left to wait for.
        """
        self.fleet.start()
        self.spawner.processes[0].end(1)
        self.successResultOf(self.fleet.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_laterFailure(self) -> None:
        """
        Once a worker has run, one that ends before it does is replaced.
        """
        processes = self.start()
        processes[1].end(1)
        self.clock.advance(1)
        self.spawner.living[-1].end(1)
        self.clock.advance(2)
        self.assertEqual(self.slots, [0, 1, 2, 3])
        self.assertEqual(self.gaveUp, [])


class ReplacementTests(FleetCase):
    """
    When a worker that ended is replaced.
    """

    def test_atOnce(self) -> None:
        """
        One that ran for the threshold is replaced at once.
        """
        processes = self.start()
        self.clock.advance(10)
        processes[0].end(signal="SIGKILL")
        self.assertEqual(self.slots, [0, 1])
        self.assertEqual(self.workers[-1].slot, 0)

    def test_delays(self) -> None:
        """
        One that did not is replaced after a delay, which doubles up to the
        maximum.
        """
        self.start()
        for delay in (1, 2, 4, 4):
            [process] = [p for p in self.spawner.living if self.slotOf(p) == 1]
            process.end(1)
            self.clock.advance(delay - 0.01)
            self.assertEqual(self.slots, [0])
            self.clock.advance(0.02)
            self.assertEqual(self.slots, [0, 1])
            self.comeUpAll()

    def slotOf(self, process: MemoryProcess) -> int:
        """
        The slot that a process fills.
        """
        return self.roster.workers[process.workerID].slot

    def test_delayEnds(self) -> None:
        """
        After a life that was long enough, the delays begin anew.
        """
        processes = self.start()
        processes[1].end(1)
        self.clock.advance(1)
        self.spawner.living[-1].end(1)
        self.clock.advance(2)
        self.spawner.living[-1].worker.comeUp()
        self.clock.advance(10)
        self.spawner.living[-1].end(1)
        self.assertEqual(self.slots, [0, 1])
        self.spawner.living[-1].end(1)
        self.clock.advance(1)
        self.assertEqual(self.slots, [0, 1])

    def test_loading(self) -> None:
        """
        The time in which a program is loaded is no life: one that ends as soon as
        it runs, or before, is not started again at once, however long it loaded.
        """
        processes = self.start()
        processes[1].end(1)
        self.clock.advance(1)
        self.clock.advance(10)
        self.spawner.living[-1].worker.comeUp()
        self.spawner.living[-1].end(1)
        self.assertEqual(self.slots, [0])
        self.clock.advance(2)
        self.clock.advance(10)
        self.spawner.living[-1].end(1)
        self.assertEqual(self.slots, [0])

    def test_slotsApart(self) -> None:
        """
        A slot whose workers crash does not delay another one's.
        """
        processes = self.start()
        processes[0].end(1)
        self.clock.advance(1)
        self.spawner.living[-1].end(1)
        processes[1].end(1)
        self.clock.advance(1)
        self.assertEqual(self.slots, [1])
        self.clock.advance(1)
        self.assertEqual(self.slots, [0, 1])

    def test_says(self) -> None:
        """
        The log says how it ended, and when its successor comes.
        """
        processes = self.start()
        with capturedLogs() as events:
            processes[0].end(signal="SIGSEGV")
        self.assertEqual(
            (events[0]["exit"].signal, events[0]["when"]), ("SIGSEGV", "in 1 s")
        )

    def test_spawnFailsLater(self) -> None:
        """
        A process that cannot be started for once is tried again after a delay.
        """
        processes = self.start()
        self.spawner.failNext(errno.EAGAIN)
        self.clock.advance(10)
        processes[0].end()
        self.clock.advance(0)
        self.assertEqual(self.slots, [1])
        self.clock.advance(1)
        self.assertEqual(self.slots, [0, 1])
        self.assertEqual(self.gaveUp, [])

    def test_notBeforeItsProcessEnded(self) -> None:
        """
        A worker whose channel is lost is replaced when its process has ended.
        """
        processes = self.start()
        self.clock.advance(10)
        processes[0].loseChannels()
        self.assertEqual(len(self.spawner.processes), 2)
        processes[0].exit()
        self.assertEqual(len(self.spawner.processes), 3)

    def test_unreachable(self) -> None:
        """
        A process that lives on without its channel is killed after a while.
        """
        processes = self.start()
        processes[0].loseChannels()
        self.clock.advance(4.9)
        self.assertEqual(processes[0].signals, [])
        self.clock.advance(0.2)
        self.assertEqual(processes[0].signals, ["KILL"])


class StopTests(FleetCase):
    """
    How a fleet ends.
    """

    def test_stop(self) -> None:
        """
        All workers are asked to leave; it has stopped when the last is gone.
        """
        first, second = self.start()
        stopped = self.fleet.stop()
        self.assertEqual(self.signals(), [["TERM"], ["TERM"]])
        first.end()
        self.assertNoResult(stopped)
        second.end()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.spawner.processes), 2)

    def test_hanging(self) -> None:
        """
        Those that take longer than killTime are killed, once.
        """
        first, second = self.start()
        stopped = self.fleet.stop()
        self.clock.advance(4.9)
        first.end()
        self.assertEqual(second.signals, ["TERM"])
        self.clock.advance(0.2)
        self.assertEqual(second.signals, ["TERM", "KILL"])
        self.clock.pump([1] * 20)
        self.assertEqual(self.signals(), [["TERM"], ["TERM", "KILL"]])
        self.assertNoResult(stopped)
        second.end(signal="SIGKILL")
        self.successResultOf(stopped)

    def test_twice(self) -> None:
        """
        Whoever asks again is told too; the workers are not asked again.
        """
        first, second = self.start()
        stopped: list[Deferred[None]] = [self.fleet.stop(), self.fleet.stop()]
        first.end()
        second.end()
        stopped.append(self.fleet.stop())
        for one in stopped:
            self.successResultOf(one)
        self.assertEqual(self.signals(), [["TERM"], ["TERM"]])

    def test_killAll(self) -> None:
        """
        Those that are left can be killed at once; their turn to be killed does
        not come again.
        """
        first, second = self.start()
        stopped = self.fleet.stop()
        first.end()
        self.fleet.killAll()
        self.assertEqual(self.signals(), [["TERM"], ["TERM", "KILL"]])
        self.clock.advance(5)
        self.assertEqual(second.signals, ["TERM", "KILL"])
        second.end(signal="SIGKILL")
        self.successResultOf(stopped)

    def test_beforeTheyRun(self) -> None:
        """
        A fleet that stops while it starts asks the worker that there is, starts
        no other when that one runs after all, and did not fail.
        """
        self.fleet.start()
        stopped = self.fleet.stop()
        [canary] = self.spawner.processes
        canary.worker.comeUp()
        canary.end(signal="SIGTERM")
        self.successResultOf(stopped)
        self.assertEqual(len(self.spawner.processes), 1)
        self.assertEqual(self.gaveUp, [])

    def test_duringADelay(self) -> None:
        """
        A worker that was to be replaced later is not.
        """
        first, second = self.start()
        first.end(1)
        stopped = self.fleet.stop()
        second.end()
        self.successResultOf(stopped)
        self.clock.pump([1] * 10)
        self.assertEqual(len(self.spawner.processes), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_crashesMeanwhile(self) -> None:
        """
        A worker that crashes instead of leaving is not replaced.
        """
        first, second = self.start()
        self.clock.advance(100)
        stopped = self.fleet.stop()
        first.end(signal="SIGSEGV")
        second.end(1)
        self.successResultOf(stopped)
        self.assertEqual(len(self.spawner.processes), 2)

    def test_spawnFailing(self) -> None:
        """
        A fleet that stops while a process could not be started does not wait
        for it for ever.
        """
        first, second = self.start()
        self.clock.advance(10)
        self.spawner.failNext(errno.EAGAIN)
        first.end()
        stopped = self.fleet.stop()
        second.end()
        self.assertNoResult(stopped)
        self.clock.advance(0)
        self.successResultOf(stopped)

    def test_empty(self) -> None:
        """
        A fleet whose workers have all ended stops at once.
        """
        for process in self.start():
            process.end(1)
        self.successResultOf(self.fleet.stop())


class AtOnceTests(FleetCase):
    """
    Steps with consequences at once.
    """

    wanted = 3

    def test_endsWhileAsked(self) -> None:
        """
        A worker whose end is seen while others are still being asked to leave
        disturbs nothing.
        """
        processes = self.start()
        for process in processes:
            process.__class__ = SuddenProcess
        stopped = self.fleet.stop()
        self.successResultOf(stopped)
        self.assertEqual(self.signals(), [["TERM"]] * 3)
        self.assertEqual(self.spawner.living, [])

    def test_othersEndWhileOneIsAsked(self) -> None:
        """
        Nor do others that end then, of themselves.
        """
        processes = self.start()

        class Contagious(MemoryProcess):
            def signalProcess(self, signalID: str | int) -> None:
                super().signalProcess(signalID)
                for process in processes[1:]:
                    if process.pid is not None:
                        process.end(1)

        processes[0].__class__ = Contagious
        stopped = self.fleet.stop()
        self.assertEqual(self.signals(), [["TERM"], [], []])
        processes[0].end()
        self.successResultOf(stopped)

    def test_killAll(self) -> None:
        """
        All are killed, though each is seen to end at once.
        """
        processes = self.start()
        stopped = self.fleet.stop()
        for process in processes:
            process.__class__ = SuddenProcess
        self.fleet.killAll()
        self.successResultOf(stopped)

    def test_stoppedByAnObserver(self) -> None:
        """
        The fleet can be stopped by an observer that is told of a new worker:
        the others are not started any more.
        """
        stops: list[Deferred[None]] = []
        fleet = self.fleet

        class Stopping(RecordingObserver):
            def workerStarted(self, worker: WorkerHandle) -> None:
                if worker.id == 2:
                    stops.append(fleet.stop())

        self.fleet.start()
        self.roster.addObserver(Stopping())
        self.spawner.processes[0].worker.comeUp()
        self.assertEqual(self.signals(), [["TERM"], ["TERM"]])
        for process in self.spawner.living:
            process.end()
        self.successResultOf(stops[0])


class NoWorkersTests(FleetCase):
    """
    A fleet of none.
    """

    wanted = 0

    def test_nothing(self) -> None:
        """
        It starts nothing, and stops at once.
        """
        self.fleet.start()
        self.assertEqual(self.spawner.processes, [])
        self.successResultOf(self.fleet.stop())
