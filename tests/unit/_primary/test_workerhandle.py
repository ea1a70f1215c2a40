"""
Tests of L{twisted_cluster._primary.workerhandle}, with
L{twisted_cluster._primary.workerlink} and L{twisted_cluster._primary.roster}.
"""

from __future__ import annotations

import errno
import gc
import os
import signal as signals
from typing import Any
from unittest import TestCase

from attrs import evolve
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.protocols.amp import RemoteAmpError
from twisted.python.failure import Failure

from tests.unit._primary.observers import RecordingObserver
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.handoffport import LOSS_LIMIT
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._primary.workeroutput import OutputStream, emitted
from twisted_cluster._supervision.lifecycle import State
from twisted_cluster._wire.channel import Channel
from twisted_cluster._wire.lanes import Handle
from twisted_cluster._wire.toprimary import WIRE_VERSION, Touched
from twisted_cluster.errors import (
    ConfigurationError,
    ImpossibleTransition,
    ListenRefused,
    MalformedBox,
)
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.settings import HandoffSettings, SchedulingPolicy, WorkerProgram
from twisted_cluster.testing.ports import FIRST_CHOSEN_PORT, MemoryPortOpener
from twisted_cluster.testing.processes import (
    MemoryProcess,
    MemorySpawner,
    ScriptedWorker,
)

TCP = ListenRequest(kind=PortKind.TCP, port=8080)
PROGRAM = WorkerProgram(arguments=("site.py",), environment={"HOME": "/"})


class RosterCase(DescriptorsCountedTestCase):
    """
    A roster, in memory, that starts no worker by itself.
    """

    def setUp(self) -> None:
        """
        Make the roster.
        """
        super().setUp()
        self.clock = Clock()
        self.spawner = MemorySpawner()
        self.opener = MemoryPortOpener()
        self.useRoster(HandoffSettings())
        self.observer = RecordingObserver()
        self.roster.addObserver(self.observer)
        self.addCleanup(self._cleanUp)

    def useRoster(self, handoff: HandoffSettings) -> None:
        """
        Have an empty roster with these settings.
        """
        self.roster = Roster(
            SchedulingPolicy.RR, handoff, self.spawner, self.opener, self.clock
        )

    def _cleanUp(self) -> None:
        """
        Close all descriptors that there still are.
        """
        self.spawner.close()
        self.roster.close()
        self.opener.close()

    def fork(self, slot: int = 0) -> tuple[WorkerHandle, MemoryProcess]:
        """
        Start a worker.
        """
        handle = self.roster.fork(PROGRAM, slot)
        return handle, self.spawner.processes[-1]

    def forkRunning(self) -> tuple[WorkerHandle, MemoryProcess]:
        """
        Start a worker, and have its program run.
        """
        handle, process = self.fork()
        process.worker.comeUp()
        return handle, process


class StartTests(RosterCase):
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
        self.assertEqual(self.roster.workers, {1: handle})
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

    def test_unheard(self) -> None:
        """
        What it said and nobody has received when its exit was told is given up, with
        what came along.
        """
        handle, process = self.fork()
        process.worker.comeUp()
        descriptor, other = os.pipe()
        os.close(other)
        process.worker.sendMessage("unheard", Handle("something", descriptor))
        process.worker.deliver()
        os.close(descriptor)
        process.end(signal="SIGKILL")
        self.assertEqual(handle.link.forgetMessages(), 0)

    def test_answer(self) -> None:
        """
        What it is told when it announces itself is its own number, how messages
        become bytes, and which of its descriptors are pipes.
        """
        self.fork()
        self.roster.fork(evolve(PROGRAM, serialization="advanced"), 0)
        self.assertEqual(
            [process.worker.announce() for process in self.spawner.processes],
            [
                {
                    "wireVersion": WIRE_VERSION,
                    "worker": worker,
                    "serialization": serialization,
                    "pipes": (1, 2),
                }
                for worker, serialization in ((1, "json"), (2, "advanced"))
            ],
        )

    def test_otherRelease(self) -> None:
        """
        A worker of another release is told what the primary speaks, and is not
        taken for one that came up.
        """
        handle, process = self.fork()
        answer = process.worker.announce(WIRE_VERSION + 1)
        self.assertEqual(answer["wireVersion"], WIRE_VERSION)
        self.assertIs(handle.lifecycle.state, State.STARTING)

    def test_cannotBeStarted(self) -> None:
        """
        A process that cannot be started is reported as one that ended, once,
        after its handle was returned.
        """
        self.spawner.failNext(errno.EAGAIN)
        with capturedLogs() as events:
            handle = self.roster.fork(PROGRAM, 0)
        self.assertEqual(events[0]["error"].errno, errno.EAGAIN)
        self.assertEqual((handle.pid, self.observer.happenings), (None, []))
        self.clock.advance(0)
        self.assertEqual(
            self.observer.happenings,
            [
                ("failed", 1, events[0]["error"]),
                ("disconnected", 1),
                ("exited", 1, WorkerExit(code=None, signal=None)),
            ],
        )
        self.assertEqual(self.roster.workers, {})

    def test_mistake(self) -> None:
        """
        If starting it was the caller's mistake there is no worker, and nothing
        is told.
        """

        def mistaken(*arguments: object) -> None:
            raise TypeError("an environment with numbers")

        self.patch(self.spawner, "spawn", mistaken)
        with self.assertRaises(TypeError):
            self.roster.fork(PROGRAM, 0)
        self.clock.advance(0)
        self.assertEqual((self.roster.workers, self.observer.happenings), ({}, []))

    def test_retiredBeforeItFailsToStart(self) -> None:
        """
        One that cannot be started can be asked to leave, and killed, before
        that is reported.
        """
        self.spawner.failNext(errno.EAGAIN)
        handle = self.roster.fork(PROGRAM, 0)
        handle.retire()
        handle.kill()
        self.clock.advance(0)
        self.assertEqual(
            [happening[0] for happening in self.observer.happenings],
            ["failed", "disconnected", "exited"],
        )

    def test_shown(self) -> None:
        """
        It is shown with its number, its state and its process.
        """
        handle, process = self.fork()
        self.assertEqual(repr(handle), f"<worker 1: starting, process {process.pid}>")


class EndTests(RosterCase):
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
        self.assertIn(1, self.roster.workers)
        process.exit(3)
        self.assertEqual(
            self.observer.happenings[3:], [("disconnected", 1), self.ending]
        )
        self.assertEqual(self.roster.workers, {})

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
        What ended it is told by the signal's name; also of one that has none.
        """
        for number, name in (
            (signals.SIGSEGV, "SIGSEGV"),
            (signals.SIGRTMIN + 6, "SIGRTMIN+6"),
        ):
            handle, process = self.fork()
            process.end(signal=number)
            self.assertEqual(
                self.observer.happenings[-1],
                ("exited", handle.id, WorkerExit(code=None, signal=name)),
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
            (facts.retireOrderedAt, facts.disconnectedAt),
            (15.0, 21.0),
        )
        self.assertFalse(facts.killOrdered)
        handle.kill()
        self.assertTrue(handle.facts().killOrdered)


class OrderTests(RosterCase):
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

    def test_leave(self) -> None:
        """
        Or it is asked on its channel: it gets no new connections, and its end
        is wanted; no signal is sent.
        """
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        self.assertFalse(handle.voluntary)
        self.clock.advance(3)
        handle.leave()
        process.worker.deliver()
        self.assertEqual((process.worker.timesAskedToLeave, process.signals), (1, []))
        self.assertTrue(handle.voluntary)
        self.assertFalse(handle.mayTakeConnections)
        self.assertEqual(handle.facts().retireOrderedAt, 3.0)
        self.opener.ports[0].accept()
        process.worker.deliver()
        self.assertEqual(len(process.worker.handedOff), 0)

    def test_goneBeforeItIsAsked(self) -> None:
        """
        A worker that ends before the question reaches it was not asked in vain,
        and nothing is amiss.
        """
        handle, process = self.forkRunning()
        handle.leave()
        with capturedLogs() as events:
            process.end()
            gc.collect()
        self.assertEqual(events, [])
        self.assertTrue(handle.voluntary)

    def test_failsToLeave(self) -> None:
        """
        A worker that answers with an error is said to.
        """
        handle, process = self.forkRunning()
        self.patch(ScriptedWorker, "_responders", {})
        handle.leave()
        process.worker.deliver()
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(RemoteAmpError)), 1)

    def test_leavesItself(self) -> None:
        """
        A worker that says that it leaves gets no new connections from then on,
        and is known to have wanted it when its channel closes.
        """
        handle, process = self.forkRunning()
        process.worker.leaveItself()
        self.assertTrue(handle.voluntary)
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertEqual(self.observer.happenings[3:], [("disconnected", 1)])

    def test_hangsUp(self) -> None:
        """
        One that closes its channel without a word did not want it.
        """
        handle, process = self.forkRunning()
        process.worker.hangUp()
        self.assertFalse(handle.voluntary)
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)

    def test_disconnect(self) -> None:
        """
        Its channels can be closed without asking it, more than once.
        """
        handle, process = self.forkRunning()
        handle.disconnect()
        process.worker.deliver()
        self.assertFalse(process.worker.connected)
        self.assertEqual(self.observer.happenings[3:], [("disconnected", 1)])
        handle.disconnect()
        self.assertFalse(handle.voluntary)
        self.assertEqual(process.signals, [])

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

    def test_noSignal(self) -> None:
        """
        What names no signal is refused.
        """
        handle, process = self.fork()
        nonsense: list[Any] = ["NONE", -1, None, 1.5, ["TERM"]]
        for signal in nonsense:
            problem = self.assertRaises(ConfigurationError, handle.signal, signal)
            self.assertEqual(str(problem), f"there is no signal {signal!r}")
        self.assertEqual(process.signals, [])

    def test_kill(self) -> None:
        """
        It is killed by SIGKILL.
        """
        handle, process = self.fork()
        handle.kill()
        self.assertEqual(process.signals, ["KILL"])

    def test_signal(self) -> None:
        """
        It can be sent any signal, by its name or number; one that there is not
        is a mistake, also when the process is gone.
        """
        handle, process = self.fork()
        for signal in ("USR1", "SIGWINCH", signals.SIGUSR2, 9):
            handle.signal(signal)
        self.assertEqual(process.signals, ["USR1", "WINCH", "USR2", "KILL"])
        process.end()
        for mistake in ("SIGNAL", "", -1, 4711):
            self.assertRaises(ConfigurationError, handle.signal, mistake)


class PortTests(RosterCase):
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

    def test_listening(self) -> None:
        """
        That it listens is told, for each of its ports, with the real number,
        when it has its answer; a port that it did not get is none.
        """
        _, process = self.forkRunning()
        process.worker.listen(ListenRequest(kind=PortKind.TCP, interface="::1"))
        self.opener.refuseNext(errno.EACCES)
        process.worker.listen(TCP)
        process.worker.listen(ListenRequest(kind=PortKind.UNIX, path=b"/run/site"))
        self.assertEqual(self.observer.happenings[3:], [])
        self.clock.advance(0)
        self.assertEqual(
            self.observer.happenings[3:],
            [
                (
                    "listening",
                    1,
                    ListeningAddress(
                        address="::1", port=FIRST_CHOSEN_PORT, addressType=6
                    ),
                ),
                (
                    "listening",
                    1,
                    ListeningAddress(address="/run/site", port=-1, addressType=-1),
                ),
            ],
        )

    def test_goneBeforeItListens(self) -> None:
        """
        Nothing is told of the ports of a worker that is gone by then: after its
        end it does nothing.
        """
        _, process = self.forkRunning()
        process.worker.listen(TCP)
        process.end()
        self.clock.advance(0)
        self.assertEqual(
            [happening[0] for happening in self.observer.happenings[3:]],
            ["disconnected", "exited"],
        )

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

    def test_refusesOthers(self) -> None:
        """
        A worker that refuses what it was not sent is not listened to any more, and
        the connection is not left open.
        """
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        [client] = self.opener.ports[0].accept()
        process.worker.deliver()
        message = process.worker.handedOff[0]
        message.answer.callback({"refused": [0, 1]})
        process.worker.deliver()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertEqual(len(self.flushLoggedErrors(MalformedBox)), 1)
        process.end()
        self.assertFalse(client.isServed)

    def test_cannotAsk(self) -> None:
        """
        A worker that writes nonsense on the channel on which it asks is cut off.
        """
        handle, process = self.forkRunning()
        with capturedLogs() as events:
            handle.queries.dataReceived(b"GET / HTTP/1.0")
        self.assertEqual([event["peer"] for event in events], ["worker 1"])
        process.worker.deliver()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertFalse(handle.queries.connected)

    def test_asksNoMore(self) -> None:
        """
        A worker that has closed that channel is cut off too, when what it had said
        was heard: it has given up, or is about to end.
        """
        handle, process = self.forkRunning()
        heard: list[object] = []
        handle.link.receiveMessages(lambda message, _: heard.append(message))
        process.worker.sendMessage("last")
        handle.queries.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(heard, ["last"])
        process.worker.deliver()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertFalse(handle.link.connected)

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

    def crash(self, read: bool, processFirst: bool) -> list[list[int]]:
        """
        Have a worker end with three connections on their way to it.

        @param read: Whether it has read of them.
        @param processFirst: Whether the end of its process is seen first.

        @return: For each message to its successor, the positions of what it had.
        """
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        port = self.opener.ports[0]
        inodes = [client.inode for client in [*port.accept(2), *port.accept(1)]]
        if read:
            process.worker.deliver()
        if processFirst:
            process.exit(signal="SIGKILL")
            process.loseChannels()
        else:
            process.end(signal="SIGKILL")
        self.clock.advance(0)
        _, successor = self.forkRunning()
        successor.worker.serve(TCP)
        successor.worker.deliver()
        taken = []
        while successor.worker.handedOff:
            taken.append([*map(inodes.index, successor.worker.take())])
        successor.end()
        return taken

    def test_crash(self) -> None:
        """
        What was on its way to a worker that ends, and was read by it, goes to its
        successor, in its old order and each alone, whichever end is seen first.
        """
        for processFirst in (False, True):
            self.assertEqual(self.crash(True, processFirst), [[0], [1], [2]])

    def test_crashUnread(self) -> None:
        """
        What it had not read cannot be what it ended for, and goes together.
        """
        for processFirst in (False, True):
            self.assertEqual(self.crash(False, processFirst), [[0, 1, 2]])

    def test_livesWithoutChannel(self) -> None:
        """
        While the process of a worker lives whose channel is lost, what it has read is
        its own to take or to refuse.
        """
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        [port] = self.opener.ports
        _, refused = port.accept(2)
        process.worker.deliver()
        unread = port.accept(1)
        process.worker.hangUp()
        _, successor = self.forkRunning()
        successor.worker.serve(TCP)
        self.clock.advance(0)
        successor.worker.deliver()
        self.assertEqual(successor.worker.take(), [client.inode for client in unread])
        self.assertFalse(successor.worker.handedOff)
        process.worker.take(refused=[1])
        self.clock.advance(0)
        successor.worker.deliver()
        self.assertEqual(successor.worker.take(), [refused.inode])
        process.exit()
        self.clock.advance(0)
        successor.worker.deliver()
        self.assertFalse(successor.worker.handedOff)

    def test_touchesWithoutChannel(self) -> None:
        """
        What is insured, and touched by such a worker, is touched; what it has not
        touched when it ends goes to another.
        """
        self.useRoster(HandoffSettings(insured=True))
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        touched, untouched = self.opener.ports[0].accept(2)
        process.worker.deliver()
        process.worker.take()
        process.worker.hangUp()
        process.worker.touch([touched.inode])
        process.exit()
        self.clock.advance(0)
        _, successor = self.forkRunning()
        successor.worker.serve(TCP)
        successor.worker.deliver()
        self.assertEqual(successor.worker.take(), [untouched.inode])
        self.assertFalse(successor.worker.handedOff)
        successor.worker.touch([untouched.inode])

    def test_cannotSayWhatItTouches(self) -> None:
        """
        A worker that broke the rules of the hand-off channel may go on with what is
        insured for a while, and is not heard: nobody else is given it.
        """
        self.useRoster(HandoffSettings(insured=True))
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        [taken] = self.opener.ports[0].accept()
        process.worker.deliver()
        process.worker.take()
        handle.handoffs.breakOff(MalformedBox("too much"))
        process.worker.deliver()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        process.exit()
        self.clock.advance(0)
        _, successor = self.forkRunning()
        successor.worker.serve(TCP)
        successor.worker.deliver()
        self.assertFalse(successor.worker.handedOff)
        self.assertTrue(taken.isServed)

    def test_insuredFromOneToTheNext(self) -> None:
        """
        What is insured, and was never touched, outlives any number of workers that
        were asked to leave.
        """
        self.useRoster(HandoffSettings(insured=True))
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        [idle] = self.opener.ports[0].accept()
        for _ in range(2 * LOSS_LIMIT):
            process.worker.deliver()
            self.assertEqual(process.worker.take(), [idle.inode])
            handle.retire()
            process.end()
            self.clock.advance(0)
            handle, process = self.forkRunning()
            process.worker.serve(TCP)
        process.worker.deliver()
        self.assertEqual(process.worker.take(), [idle.inode])
        process.worker.touch([idle.inode])

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
        handle.channelLost()
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
        handle.channelLost()
        with capturedLogs() as events:
            process.worker.announce()
        self.assertIs(handle.lifecycle.state, State.DISCONNECTED)
        self.assertEqual(events, [])


class BlockedTests(RosterCase):
    """
    A worker whose reactor does not turn.
    """

    def goOn(self, seconds: float) -> None:
        """
        Let time pass; workers that are not blocked answer meanwhile.
        """
        for _ in range(round(seconds * 20)):
            self.clock.advance(0.05)
            for process in self.spawner.living:
                process.worker.deliver()

    def test_turns(self) -> None:
        """
        One that turns is never taken for blocked.
        """
        handle, _ = self.forkRunning()
        with capturedLogs() as events:
            self.goOn(5)
        self.assertTrue(handle.mayTakeConnections)
        self.assertEqual((events, handle.pulse.lag is not None), ([], True))

    def test_runsAgain(self) -> None:
        """
        A reactor begins to run once.  Whoever says so again, also when it was asked
        to leave, is not asked more often for that, nor after its end.
        """
        handle, process = self.forkRunning()
        handle.retire()
        timers = len(self.clock.getDelayedCalls())
        for _ in range(3):
            process.worker.run()
        self.assertEqual(len(self.flushLoggedErrors(ImpossibleTransition)), 3)
        self.assertEqual(len(self.clock.getDelayedCalls()), timers)
        process.end()
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_blocked(self) -> None:
        """
        One that does not gets no connections, and what it has not read goes to the
        others; what it has read stays with it.
        """
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        [port] = self.opener.ports
        [read] = port.accept(1)
        process.worker.deliver()
        process.worker.isBlocked = True
        unread = [*port.accept(1), *port.accept(2)]
        _, other = self.forkRunning()
        other.worker.serve(TCP)
        with capturedLogs() as events:
            self.goOn(0.4)
            self.assertTrue(handle.mayTakeConnections)
            self.goOn(0.4)
        self.assertFalse(handle.mayTakeConnections)
        self.assertEqual(
            [(event["id"], event["taken"]) for event in events], [(handle.id, 2)]
        )
        later = port.accept(2)
        other.worker.deliver()
        taken: list[int] = []
        while other.worker.handedOff:
            taken += other.worker.take()
        self.assertEqual(taken, [client.inode for client in unread + later])
        process.worker.isBlocked = False
        self.assertEqual(process.worker.take(), [read.inode])

    def test_back(self) -> None:
        """
        When it turns again it gets connections again.
        """
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        process.worker.isBlocked = True
        self.goOn(1)
        [client] = self.opener.ports[0].accept()
        self.assertFalse(handle.mayTakeConnections)
        process.worker.isBlocked = False
        with capturedLogs() as events:
            self.goOn(0.1)
        self.assertTrue(handle.mayTakeConnections)
        self.assertEqual([event["id"] for event in events], [handle.id])
        self.assertEqual(process.worker.take(), [client.inode])

    def test_ends(self) -> None:
        """
        One that ends while it is blocked leaves no timer behind, and its end is told
        as any other.
        """
        _, process = self.forkRunning()
        process.worker.isBlocked = True
        self.goOn(1)
        process.end(signal="SIGKILL")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(
            [happening[0] for happening in self.observer.happenings[3:]],
            ["disconnected", "exited"],
        )

    def test_notLooked(self) -> None:
        """
        Nobody looks if that is not wanted.
        """
        self.useRoster(HandoffSettings(blockedAfter=0))
        handle, process = self.forkRunning()
        process.worker.isBlocked = True
        self.goOn(1)
        self.assertTrue(handle.mayTakeConnections)


class LastWordsTests(RosterCase):
    """
    What a worker said before its end, if the end is seen first.
    """

    def test_messages(self) -> None:
        """
        Its messages are delivered before it is said to be disconnected.
        """
        handle, process = self.forkRunning()
        words = self.observer.happenings
        handle.link.receiveMessages(lambda message, _: words.append(("said", message)))
        for message in ("one", "two"):
            process.worker.sendMessage(message)
        self.assertEqual(len(words), 3)
        process.exit(3)
        self.assertEqual(
            words[3:],
            [("said", "one"), ("said", "two"), ("disconnected", 1), EndTests.ending],
        )

    def test_taken(self) -> None:
        """
        What it took and what it touched is known, though nobody had read that: only
        the rest is served by another, in its old order.
        """
        self.useRoster(HandoffSettings(insured=True))
        handle, process = self.forkRunning()
        process.worker.serve(TCP)
        [port] = self.opener.ports
        taken, read = port.accept(3), port.accept(1)
        process.worker.deliver()
        unread = port.accept(1)
        message = process.worker.handedOff.popleft()
        process.worker.served += message.descriptors
        handoffs: Channel = process.worker._handoffs
        handoffs.tell(Touched, inodes=[taken[1].inode])
        message.answer.callback({"refused": []})
        self.assertEqual(len(handle.insurance), 5)
        process.exit(3)
        process.loseChannels()
        self.clock.advance(0)
        self.assertFalse(taken[1].isServed)
        _, other = self.forkRunning()
        other.worker.serve(TCP)
        other.worker.deliver()
        served: list[int] = []
        while other.worker.handedOff:
            served += other.worker.take()
        rest = [taken[0], taken[2], *read, *unread]
        self.assertEqual(served, [client.inode for client in rest])
        # They are insured again, until the process ends: it may touch them still.
        other.loseChannels()
        self.clock.advance(0)
        self.assertEqual([client.isServed for client in rest], [True] * 4)
        self.assertEqual([port.queued for port in self.roster.ports.readings()], [0])
        other.exit()
        self.assertEqual([port.queued for port in self.roster.ports.readings()], [4])
        self.roster.shutDown()
        self.assertEqual([client.isServed for client in rest], [False] * 4)


class OutputTests(RosterCase):
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

    def test_elsewhere(self) -> None:
        """
        Whoever has the roster says where each worker's output goes.
        """
        self.roster = Roster(
            SchedulingPolicy.RR,
            HandoffSettings(),
            self.spawner,
            self.opener,
            self.clock,
            newOutput=emitted,
        )
        handle, process = self.fork()
        read: list[object] = []
        for stream in handle.pipes.output.values():
            assert isinstance(stream, OutputStream)
            stream.on("data", read.append)
            stream.on("end", lambda: read.append("end"))
        with capturedLogs() as events:
            process.say(b"one\ntw")
            process.say(b"error", 2)
            process.end()
        self.assertEqual(read, [b"one\ntw", b"error", "end", "end"])
        self.assertEqual(events, [])


class PipeTests(RosterCase):
    """
    Pipes to a worker.
    """

    def test_standardInput(self) -> None:
        """
        The usual pipes are its process's.
        """
        handle, process = self.fork()
        self.assertIs(handle.pipes.process, process)

    def test_noProcess(self) -> None:
        """
        A process that could not be started has no pipes.
        """
        self.spawner.failNext(errno.EAGAIN)
        handle = self.roster.fork(PROGRAM, 0)
        self.assertIsNone(handle.pipes.process)
        self.clock.advance(0)


class ObserverTests(RosterCase):
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
        self.roster.addObserver(Failing())
        self.roster.addObserver(last)
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
        roster = self.roster

        class Adding(RecordingObserver):
            def workerStarted(self, worker: WorkerHandle) -> None:
                roster.addObserver(late)

        self.roster.addObserver(Adding())
        self.forkRunning()
        self.assertEqual(late.happenings, [("online", 1), ("running", 1)])


class EarlyPortTests(RosterCase):
    """
    Ports that the roster opens itself.
    """

    def test_hold(self) -> None:
        """
        A port that is held accepts before there is any worker, and serves those
        who came early.
        """
        self.roster.hold(TCP)
        clients = self.opener.ports[0].accept(2)
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        process.worker.deliver()
        self.assertEqual(process.worker.take(), [client.inode for client in clients])

    def test_close(self) -> None:
        """
        When the roster closes, so do its ports.
        """
        self.roster.hold(TCP)
        self.roster.close()
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
