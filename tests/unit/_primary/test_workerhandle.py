"""
Tests of L{twisted_cluster._primary.workerhandle}, with
L{twisted_cluster._primary.workerlink} and L{twisted_cluster._primary.cluster}.
"""

from __future__ import annotations

import errno
from unittest import TestCase

from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from tests.unit._primary.observers import RecordingObserver
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.cluster import Cluster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._supervision.lifecycle import State
from twisted_cluster._wire.toprimary import WIRE_VERSION
from twisted_cluster.errors import ImpossibleTransition, ListenRefused
from twisted_cluster.events import WorkerExit
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.settings import ClusterSettings, WorkerProgram
from twisted_cluster.testing.ports import MemoryPortOpener
from twisted_cluster.testing.processes import MemoryProcess, MemorySpawner

TCP = ListenRequest(kind=PortKind.TCP, port=8080)
PROGRAM = WorkerProgram(arguments=("site.py",), environment={"HOME": "/"})


class ClusterCase(DescriptorsCountedTestCase):
    """
    A cluster, in memory, that starts no worker by itself.
    """

    def setUp(self) -> None:
        """
        Make the cluster.
        """
        super().setUp()
        self.clock = Clock()
        self.spawner = MemorySpawner()
        self.opener = MemoryPortOpener()
        self.cluster = Cluster(
            ClusterSettings(program=PROGRAM), self.spawner, self.opener, self.clock
        )
        self.observer = RecordingObserver()
        self.cluster.addObserver(self.observer)
        self.addCleanup(self._cleanUp)

    def _cleanUp(self) -> None:
        """
        Close all descriptors that there still are.
        """
        self.spawner.close()
        self.cluster.close()
        self.opener.close()

    def fork(self, slot: int = 0) -> tuple[WorkerHandle, MemoryProcess]:
        """
        Start a worker.
        """
        handle = self.cluster.fork(slot)
        return handle, self.spawner.processes[-1]

    def forkRunning(self) -> tuple[WorkerHandle, MemoryProcess]:
        """
        Start a worker, and have its program run.
        """
        handle, process = self.fork()
        process.worker.comeUp()
        return handle, process


class StartTests(ClusterCase):
    """
    How a worker comes up.
    """

    def test_started(self) -> None:
        """
        It is known at once, with its process, and runs the program.
        """
        handle, process = self.fork(slot=3)
        self.assertEqual((handle.id, handle.slot, handle.pid), (1, 3, process.pid))
        self.assertEqual(process.program, PROGRAM)
        self.assertEqual(process.workerID, 1)
        self.assertEqual(self.cluster.workers, {1: handle})
        self.assertEqual(self.observer.happenings, [("started", 1)])

    def test_numbers(self) -> None:
        """
        No number is used again.
        """
        for id in (1, 2, 3):
            handle, process = self.fork()
            self.assertEqual(handle.id, id)
            process.end()

    def test_comesUp(self) -> None:
        """
        It is online when its process says so, and takes connections only when
        its reactor runs.
        """
        handle, process = self.fork()
        states = [handle.lifecycle.state]
        process.worker.announce()
        states.append(handle.lifecycle.state)
        self.assertFalse(handle.mayTakeConnections)
        process.worker.run()
        states.append(handle.lifecycle.state)
        self.assertTrue(handle.mayTakeConnections)
        self.assertEqual(states, [State.STARTING, State.ONLINE, State.READY])
        self.assertEqual(
            self.observer.happenings, [("started", 1), ("online", 1), ("running", 1)]
        )

    def test_otherRelease(self) -> None:
        """
        A worker of another release is told what the primary speaks, and is not
        taken for one that came up.
        """
        handle, process = self.fork()
        self.assertEqual(process.worker.announce(WIRE_VERSION + 1), WIRE_VERSION)
        self.assertIs(handle.lifecycle.state, State.STARTING)

    def test_cannotBeStarted(self) -> None:
        """
        A process that cannot be started is reported as one that ended, once,
        after its handle was returned.
        """
        self.spawner.failNext(errno.EAGAIN)
        with capturedLogs() as events:
            handle = self.cluster.fork(0)
        self.assertEqual(events[0]["error"].errno, errno.EAGAIN)
        self.assertEqual((handle.pid, self.observer.happenings), (None, []))
        self.clock.advance(0)
        self.assertEqual(
            self.observer.happenings,
            [
                ("disconnected", 1),
                ("exited", 1, WorkerExit(code=None, signal=None)),
            ],
        )
        self.assertEqual(self.cluster.workers, {})

    def test_retiredBeforeItFailsToStart(self) -> None:
        """
        One that cannot be started can be asked to leave, and killed, before
        that is reported.
        """
        self.spawner.failNext(errno.EAGAIN)
        handle = self.cluster.fork(0)
        handle.retire()
        handle.kill()
        self.clock.advance(0)
        self.assertEqual(len(self.observer.happenings), 2)

    def test_shown(self) -> None:
        """
        It is shown with its number, its state and its process.
        """
        handle, process = self.fork()
        self.assertEqual(repr(handle), f"<worker 1: starting, process {process.pid}>")


class EndTests(ClusterCase):
    """
    How a worker ends: disconnected, then gone, each told once.
    """

    ending = ("exited", 1, WorkerExit(code=3, signal=None))

    def test_channelFirst(self) -> None:
        """
        Its channel may be seen to close before its process ends.
        """
        handle, process = self.forkRunning()
        process.loseChannels()
        self.assertEqual(self.observer.happenings[3:], [("disconnected", 1)])
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertIn(1, self.cluster.workers)
        process.exit(3)
        self.assertEqual(
            self.observer.happenings[3:], [("disconnected", 1), self.ending]
        )
        self.assertEqual(self.cluster.workers, {})

    def test_processFirst(self) -> None:
        """
        Its process may be seen to end before its channel is closed.
        """
        handle, process = self.forkRunning()
        process.exit(3)
        self.assertEqual(
            self.observer.happenings[3:], [("disconnected", 1), self.ending]
        )
        process.loseChannels()
        self.assertEqual(len(self.observer.happenings), 5)
        self.assertIs(handle.lifecycle.state, State.GONE)

    def test_beforeItSpoke(self) -> None:
        """
        It may end before it has said anything.
        """
        _, process = self.fork()
        process.end(3)
        self.assertEqual(
            self.observer.happenings, [("started", 1), ("disconnected", 1), self.ending]
        )

    def test_signal(self) -> None:
        """
        What ended it is told by the signal's name.
        """
        _, process = self.fork()
        process.end(signal="SIGSEGV")
        self.assertEqual(
            self.observer.happenings[-1],
            ("exited", 1, WorkerExit(code=None, signal="SIGSEGV")),
        )

    def test_success(self) -> None:
        """
        A program that simply ended is told as that.
        """
        _, process = self.fork()
        process.end()
        self.assertEqual(
            self.observer.happenings[-1],
            ("exited", 1, WorkerExit(code=0, signal=None)),
        )

    def test_channelsOfTheGone(self) -> None:
        """
        The primary closes its ends when the process is gone: something that
        it started may hold the others.
        """
        handle, process = self.forkRunning()
        process.exit()
        process.worker.deliver()
        self.assertFalse(handle.link.connected)
        self.assertFalse(handle.queries.connected)
        self.assertFalse(process.worker.connected)

    def test_when(self) -> None:
        """
        It is known when each of these things happened, for supervision.
        """
        self.clock.advance(10)
        handle, process = self.forkRunning()
        self.clock.advance(5)
        handle.retire()
        self.clock.advance(5)
        handle.retire()
        self.clock.advance(1)
        process.loseChannels()
        facts = handle.facts()
        self.assertEqual(
            (facts.startedAt, facts.retireOrderedAt, facts.disconnectedAt),
            (10.0, 15.0, 21.0),
        )
        self.assertFalse(facts.killOrdered)
        handle.kill()
        self.assertTrue(handle.facts().killOrdered)


class OrderTests(ClusterCase):
    """
    What a worker is asked.
    """

    def test_retire(self) -> None:
        """
        It is asked by SIGTERM, and gets no connection any more; it keeps those
        that it has.
        """
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        [port] = self.opener.ports
        [served] = port.accept()
        process.worker.deliver()
        process.worker.take()
        handle.retire()
        self.assertEqual(process.signals, ["TERM"])
        port.accept()
        process.worker.deliver()
        self.assertEqual(len(process.worker.handedOff), 0)
        self.assertTrue(served.isServed)

    def test_comesUpWhileRetiring(self) -> None:
        """
        One that was asked to leave before it came up takes no connections.
        """
        handle, process = self.fork()
        handle.retire()
        process.worker.comeUp()
        self.assertIs(handle.lifecycle.state, State.RETIRING)
        self.assertFalse(handle.mayTakeConnections)

    def test_retireTheGone(self) -> None:
        """
        One that is gone cannot be asked to leave, and is not signalled: another
        process may have its number.
        """
        handle, process = self.fork()
        process.end()
        self.assertRaises(ImpossibleTransition, handle.retire)
        handle.kill()
        handle.signal("HUP")
        self.assertEqual(process.signals, [])

    def test_kill(self) -> None:
        """
        It is killed by SIGKILL.
        """
        handle, process = self.fork()
        handle.kill()
        self.assertEqual(process.signals, ["KILL"])


class PortTests(ClusterCase):
    """
    A worker's ports.
    """

    def test_connections(self) -> None:
        """
        Connections go to the worker and are its own once it has said that it
        took them; the others come back.
        """
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        [port] = self.opener.ports
        clients = port.accept(3)
        process.worker.deliver()
        self.assertEqual(
            process.worker.take(refused=[1]), [clients[0].inode, clients[2].inode]
        )
        _, other = self.forkRunning()
        other.worker.serve(TCP)
        other.worker.deliver()
        self.assertEqual(other.worker.take(), [clients[1].inode])

    def test_waitForTheReactor(self) -> None:
        """
        A worker that listens before its reactor runs gets connections when it
        does.
        """
        _, process = self.fork()
        process.worker.announce()
        process.worker.serve(TCP)
        self.opener.ports[0].accept(2)
        process.worker.deliver()
        self.assertEqual(len(process.worker.handedOff), 0)
        process.worker.run()
        self.assertEqual(len(process.worker.take()), 2)

    def test_paused(self) -> None:
        """
        A worker that pauses its port gets none, until it resumes.
        """
        _, process = self.forkRunning()
        loan = process.worker.serve(TCP)
        process.worker.stopTaking(loan)
        self.opener.ports[0].accept()
        process.worker.deliver()
        self.assertEqual(len(process.worker.handedOff), 0)
        process.worker.startTaking(loan)
        self.assertEqual(len(process.worker.take()), 1)

    def test_givenBack(self) -> None:
        """
        A port that its only worker closed is closed; while it is leaving, it
        stays.
        """
        _, process = self.forkRunning()
        process.worker.giveBack(process.worker.serve(TCP))
        self.assertEqual(self.opener.openPorts, [])
        process.worker.giveBack(process.worker.serve(TCP), leaving=True)
        self.assertEqual(len(self.opener.openPorts), 1)

    def test_refused(self) -> None:
        """
        A worker is told why it cannot have a port.
        """
        _, process = self.forkRunning()
        self.opener.refuseNext(errno.EACCES)
        answer = process.worker.listen(TCP)
        self.assertEqual(
            (answer["errno"], answer["reason"]), (errno.EACCES, "Permission denied")
        )
        self.assertEqual(process.worker.listen(TCP)["errno"], 0)

    def test_crash(self) -> None:
        """
        What was on its way to a worker that ends goes to its successor, in its
        old order, whichever end is seen first.
        """
        for processFirst in (False, True):
            _, process = self.forkRunning()
            process.worker.serve(TCP)
            port = self.opener.ports[0]
            clients = [*port.accept(2), *port.accept(1)]
            if processFirst:
                process.exit(signal="SIGKILL")
                process.loseChannels()
            else:
                process.end(signal="SIGKILL")
            self.clock.advance(0)
            _, successor = self.forkRunning()
            successor.worker.serve(TCP)
            successor.worker.deliver()
            taken = [successor.worker.take() for _ in clients]
            self.assertEqual(taken, [[client.inode] for client in clients])
            successor.end()

    def test_crashGivesBack(self) -> None:
        """
        A worker that ended has no port any more: one that only the others have
        closes with the last of them.
        """
        for processFirst in (False, True):
            _, process = self.forkRunning()
            _, other = self.forkRunning()
            process.worker.serve(TCP)
            loan = other.worker.serve(TCP)
            if processFirst:
                process.exit()
                process.loseChannels()
            else:
                process.end()
            self.assertEqual(len(self.opener.openPorts), 1)
            other.worker.giveBack(loan)
            self.assertEqual(self.opener.openPorts, [])

    def test_lateListen(self) -> None:
        """
        What a worker asked for just before its end is read after its end was
        seen: it borrows nothing any more, and nothing is opened.
        """
        handle, process = self.forkRunning()
        process.worker.transport.loseConnection()
        process.worker.deliver()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertEqual(process.worker.listen(TCP)["errno"], errno.ENOTCONN)
        self.assertEqual(self.opener.ports, [])
        self.assertRaises(ListenRefused, handle.listen, TCP)

    def test_lateAnnouncement(self) -> None:
        """
        A worker that spoke just before its end is read after its end was seen:
        it has not come up, and nothing is amiss.
        """
        handle, process = self.fork()
        process.worker.transport.loseConnection()
        process.worker.deliver()
        with capturedLogs() as events:
            process.worker.announce()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertEqual(events, [])


class OutputTests(ClusterCase):
    """
    What a worker writes.
    """

    def test_lines(self) -> None:
        """
        Each stream's lines are logged as the worker's, complete.
        """
        _, process = self.fork()
        with capturedLogs() as events:
            process.say(b"one\ntw")
            process.say(b"error\n", 2)
            process.say(b"o\n")
        self.assertEqual(
            [(event["log_system"], event["line"]) for event in events],
            [("worker 1", "one"), ("worker 1", "error"), ("worker 1", "two")],
        )

    def test_lastLine(self) -> None:
        """
        A line that has no end is logged when the stream ends.
        """
        _, process = self.fork()
        with capturedLogs() as events:
            process.say(b"last words")
            process.end()
        self.assertEqual([event["line"] for event in events], ["last words"])


class ObserverTests(ClusterCase):
    """
    Those who are told.
    """

    def test_failing(self) -> None:
        """
        One that fails harms neither the others nor the workers.
        """

        class Failing(RecordingObserver):
            def tell(self, *happening: object) -> None:
                raise ValueError(happening[0])

        last = RecordingObserver()
        self.cluster.addObserver(Failing())
        self.cluster.addObserver(last)
        _, process = self.forkRunning()
        process.end()
        self.assertEqual(
            [happening[0] for happening in last.happenings],
            ["started", "online", "running", "disconnected", "exited"],
        )
        self.assertEqual(last.happenings, self.observer.happenings)
        self.assertEqual(
            [str(failure.value) for failure in self.flushLoggedErrors(ValueError)],
            ["started", "online", "running", "disconnected", "exited"],
        )

    def test_addedMeanwhile(self) -> None:
        """
        One that is added by another is told from the next thing on.
        """
        late = RecordingObserver()
        cluster = self.cluster

        class Adding(RecordingObserver):
            def workerStarted(self, worker: WorkerHandle) -> None:
                cluster.addObserver(late)

        self.cluster.addObserver(Adding())
        self.forkRunning()
        self.assertEqual(late.happenings, [("online", 1), ("running", 1)])


class EarlyPortTests(ClusterCase):
    """
    Ports that the cluster opens itself.
    """

    def test_hold(self) -> None:
        """
        A port that is held accepts before there is any worker, and serves those
        who came early.
        """
        self.cluster.hold(TCP)
        clients = self.opener.ports[0].accept(2)
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        process.worker.deliver()
        self.assertEqual(process.worker.take(), [client.inode for client in clients])

    def test_close(self) -> None:
        """
        When the cluster closes, so do its ports.
        """
        self.cluster.hold(TCP)
        self.cluster.close()
        self.assertEqual(self.opener.openPorts, [])


class ExitTests(TestCase):
    """
    Tests of L{WorkerExit}.
    """

    def test_inWords(self) -> None:
        """
        It is put into words for the log.
        """
        self.assertEqual(str(WorkerExit(code=3, signal=None)), "exit status 3")
        self.assertEqual(
            str(WorkerExit(code=None, signal="SIGKILL")), "killed by SIGKILL"
        )
        self.assertEqual(
            str(WorkerExit(code=None, signal=None)), "it could not be started"
        )
