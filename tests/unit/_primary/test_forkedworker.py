"""
Tests of L{twisted_cluster._primary.forkedworker}.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.logger import capturedLogs

from tests.unit._primary.clusters import ClusterCase
from tests.unit.doubling import Double, Doubling
from twisted_cluster._primary.forkedworker import ForkedWorker
from twisted_cluster._wire.lanes import Handle, closeHandle
from twisted_cluster.errors import ChannelClosed, ConfigurationError, WorkerLost
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.listening import ListenRequest, PortKind

TCP = ListenRequest(kind=PortKind.TCP, port=8080)
ADDRESS = ListeningAddress(address=None, port=8080, addressType=4)


class LifeTests(ClusterCase):
    """
    What a worker is, from its start to its end.
    """

    def test_states(self) -> None:
        """
        It comes online, listens, is disconnected, and dead.
        """
        worker, process = self.fork()
        seen = [(worker.state, worker.isConnected(), worker.isDead())]
        process.worker.comeUp()
        seen.append((worker.state, worker.isConnected(), worker.isDead()))
        process.worker.listen(TCP)
        self.clock.advance(0)
        seen.append((worker.state, worker.isConnected(), worker.isDead()))
        process.loseChannels()
        seen.append((worker.state, worker.isConnected(), worker.isDead()))
        process.exit()
        seen.append((worker.state, worker.isConnected(), worker.isDead()))
        self.assertEqual(
            seen,
            [
                ("none", True, False),
                ("online", True, False),
                ("listening", True, False),
                ("disconnected", False, False),
                ("dead", False, True),
            ],
        )

    def test_shown(self) -> None:
        """
        It is shown with its number and state.
        """
        worker, _ = self.forkRunning()
        self.assertEqual(repr(worker), "<Worker 1, online>")

    def test_events(self) -> None:
        """
        Each of these things is told once, and its observers find the worker in
        the state that it came to.
        """
        worker, process = self.fork()
        told: list[tuple[object, ...]] = []
        for name in ("online", "listening", "message", "disconnect", "exit", "error"):
            worker.on(name, lambda *what, name=name: told.append((name, *what)))
            worker.on(name, lambda *what: told.append((worker.state,)))
        process.worker.comeUp()
        process.worker.listen(TCP)
        self.clock.advance(0)
        process.worker.sendMessage("hello")
        process.worker.deliver()
        process.end(signal="SIGHUP")
        self.assertEqual(
            told,
            [
                ("online",),
                ("online",),
                ("listening", ADDRESS),
                ("listening",),
                ("message", "hello", None),
                ("listening",),
                ("disconnect",),
                ("disconnected",),
                ("exit", None, "SIGHUP"),
                ("dead",),
            ],
        )

    def test_whenNext(self) -> None:
        """
        Each can be waited for, until the worker has ended.
        """
        worker, process = self.fork()
        online, message = worker.when("online"), worker.when("message")
        exited = worker.when("exit")
        process.worker.comeUp()
        self.assertEqual(self.successResultOf(online), ())
        self.assertNoResult(message)
        process.end(3)
        self.assertEqual(self.successResultOf(exited), (3, None))
        self.failureResultOf(message, WorkerLost)
        self.failureResultOf(worker.when("message"), WorkerLost)

    def test_listensAgain(self) -> None:
        """
        Each port is told; who waits for it to listen is told of the first.
        """
        told: list[ListeningAddress] = []
        worker, process = self.forkRunning()
        worker.on("listening", told.append)
        other = ListenRequest(kind=PortKind.TCP, port=8081)
        process.worker.listen(TCP)
        process.worker.listen(other)
        self.clock.advance(0)
        self.assertEqual([address.port for address in told], [8080, 8081])
        self.assertEqual(self.successResultOf(worker.whenListening()), ADDRESS)

    def test_when(self) -> None:
        """
        Who waits for one of these is told, whether it waited before or only
        asks after.
        """
        worker, process = self.fork()
        online, listening = worker.whenOnline(), worker.whenListening()
        disconnected, exited = worker.whenDisconnected(), worker.whenExited()
        for waiting in (online, listening, disconnected, exited):
            self.assertNoResult(waiting)
        process.worker.comeUp()
        self.assertIs(self.successResultOf(online), worker)
        process.worker.listen(TCP)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(listening), ADDRESS)
        process.loseChannels()
        self.assertIs(self.successResultOf(disconnected), worker)
        self.assertNoResult(exited)
        process.exit(3)
        for waiting in (exited, worker.whenExited()):
            self.assertEqual(
                self.successResultOf(waiting), WorkerExit(code=3, signal=None)
            )

    def test_never(self) -> None:
        """
        What it never came to fails, for those who wait.
        """
        worker, process = self.fork()
        waiting = [worker.whenOnline(), worker.whenListening()]
        process.end()
        waiting += [worker.whenOnline(), worker.whenListening()]
        for never in waiting:
            problem = self.failureResultOf(never, WorkerLost).value
            self.assertEqual(str(problem), "worker 1 is gone")

    def test_cannotBeStarted(self) -> None:
        """
        If its process cannot be started that is told, and what follows from it.
        """
        self.spawner.failNext(errno.ENOENT)
        worker = self.cluster.fork()
        told: list[object] = []
        worker.on("error", lambda error: told.append(error.errno))
        worker.on("disconnect", lambda: told.append("disconnect"))
        worker.on("exit", lambda *what: told.append(what))
        self.assertFalse(worker.isConnected())
        self.assertIsNone(worker.process.pid)
        self.clock.advance(0)
        self.assertEqual(told, [errno.ENOENT, "disconnect", (None, None)])
        self.assertEqual(worker.state, "dead")
        self.failureResultOf(worker.whenOnline(), WorkerLost)
        self.failureResultOf(worker.send("hello"), ChannelClosed)

    def test_unknownEvent(self) -> None:
        """
        An event that there is not is a mistake.
        """
        worker, _ = self.fork()
        self.assertRaises(ConfigurationError, worker.on, "exited", print)


class BlockedTests(ClusterCase):
    """
    A worker whose reactor does not turn.
    """

    def test_blocked(self) -> None:
        """
        It is known as such until it answers again, and that connections wait
        meanwhile.
        """
        worker, process = self.fork()
        process.worker.comeUp()
        process.worker.serve(TCP)
        process.worker.isBlocked = True
        for _ in range(3):
            self.clock.advance(0.25)
        self.assertTrue(worker.isBlocked())
        [port] = self.opener.openPorts
        port.accept(2)
        [reading] = self.cluster.ports
        self.assertEqual((reading.queued, reading.underway), (2, 0))
        process.worker.isBlocked = False
        process.worker.deliver()
        self.assertFalse(worker.isBlocked())
        [reading] = self.cluster.ports
        self.assertEqual((reading.queued, reading.underway), (0, 2))
        process.worker.take()
        process.end()


class EndTests(ClusterCase):
    """
    How a worker is ended, and what is known of it afterwards.
    """

    def asked(self) -> int:
        """
        How often the last worker was asked to leave.
        """
        worker = self.spawner.processes[-1].worker
        worker.deliver()
        return worker.timesAskedToLeave

    def test_disconnect(self) -> None:
        """
        It is asked to leave, once, and its end is wanted from then on.
        """
        worker, process = self.forkRunning()
        self.assertIsNone(worker.exitedAfterDisconnect)
        done = [worker.disconnect(), worker.disconnect()]
        self.assertEqual((self.asked(), process.signals), (1, []))
        self.assertTrue(worker.exitedAfterDisconnect)
        self.assertTrue(worker.isConnected())
        for each in done:
            self.assertNoResult(each)
        process.loseChannels()
        for each in (*done, worker.disconnect()):
            self.assertIs(self.successResultOf(each), worker)
        process.exit()
        self.assertTrue(worker.exitedAfterDisconnect)

    def test_disconnectEarly(self) -> None:
        """
        It can be asked before it has come up.
        """
        worker, process = self.fork()
        worker.disconnect()
        process.worker.comeUp()
        self.assertEqual(self.asked(), 1)
        self.assertFalse(self.cluster.workers[1]._handle.mayTakeConnections)

    def test_disconnectNothing(self) -> None:
        """
        One that could not be started is disconnected when that is known, and
        nothing is amiss.
        """
        self.spawner.failNext(errno.EAGAIN)
        worker = self.cluster.fork()
        with capturedLogs() as events:
            done = worker.disconnect()
            self.clock.advance(0)
        self.successResultOf(done)
        self.assertEqual(events, [])

    def test_leavesItself(self) -> None:
        """
        Its end is wanted also if it wants it itself.
        """
        seen: list[object] = []
        worker, process = self.forkRunning()
        worker.on("disconnect", lambda: seen.append(worker.exitedAfterDisconnect))
        process.worker.leaveItself()
        self.assertEqual(seen, [True])
        self.assertIs(self.successResultOf(worker.disconnect()), worker)
        self.assertEqual(self.asked(), 0)

    def test_crash(self) -> None:
        """
        The end of one that nobody wanted to end is none that was wanted.
        """
        seen: list[object] = []
        worker, process = self.forkRunning()
        worker.on("disconnect", lambda: seen.append(worker.exitedAfterDisconnect))
        worker.on("exit", lambda *_: seen.append(worker.exitedAfterDisconnect))
        process.end(signal="SIGSEGV")
        self.assertEqual(seen, [False, False])
        self.assertIs(worker.exitedAfterDisconnect, False)
        self.assertIs(self.successResultOf(worker.disconnect()), worker)

    def test_kill(self) -> None:
        """
        It can be sent a signal, by any of its names and those of the method;
        that is no wish that it leaves in order.
        """
        worker, process = self.forkRunning()
        worker.kill()
        worker.destroy("SIGUSR1")
        worker.process.kill("KILL")
        worker.kill(1)
        self.assertEqual(process.signals, ["TERM", "USR1", "KILL", "HUP"])
        self.assertIsNone(worker.exitedAfterDisconnect)
        self.assertRaises(ConfigurationError, worker.kill, "SIGNAL")
        process.end(signal="SIGKILL")
        self.assertIs(worker.exitedAfterDisconnect, False)
        worker.kill()
        self.assertEqual(len(process.signals), 4)


class ProcessTests(ClusterCase):
    """
    Tests of L{WorkerProcess} and L{WorkerStream}.
    """

    def test_process(self) -> None:
        """
        The process is known by its number, also when it is gone; how it ended
        is known then.
        """
        for code, signal in ((0, None), (3, None), (None, "SIGKILL")):
            worker, process = self.forkRunning()
            pid = process.pid
            ours = worker.process
            self.assertIsNotNone(pid)
            self.assertEqual(ours.pid, pid)
            self.assertEqual((ours.exitCode, ours.signalCode), (None, None))
            process.end(code or 0, signal)
            self.assertEqual((ours.exitCode, ours.signalCode), (code, signal))
            self.assertEqual(ours.pid, pid)

    def test_disconnect(self) -> None:
        """
        Its channel can be closed without a word: nobody wanted it to leave.
        """
        worker, process = self.forkRunning()
        self.assertTrue(worker.process.connected)
        worker.process.disconnect()
        process.worker.deliver()
        self.assertFalse(worker.process.connected)
        self.assertEqual((self.asked(worker), worker.state), (False, "disconnected"))
        worker.process.disconnect()

    def asked(self, worker: ForkedWorker) -> bool | None:
        """
        Whether anybody wanted it to leave.
        """
        return worker.exitedAfterDisconnect

    def test_output(self) -> None:
        """
        What it writes is told as it comes, and the end of each stream.
        """
        read: list[object] = []
        worker, process = self.forkRunning(silent=True)
        out, err = worker.process.stdout, worker.process.stderr
        assert out is not None
        assert err is not None
        out.on("data", read.append)
        err.once("data", read.append)
        out.once("end", lambda: read.append("end"))
        process.say(b"one ")
        process.say(b"error", 2)
        process.say(b"two")
        process.say(b"another", 2)
        out.off("data", read.append)
        process.say(b"three")
        process.end()
        self.assertEqual(read, [b"one ", b"error", b"two", "end"])

    def test_noPipes(self) -> None:
        """
        Without pipes there is nothing to read or to write.
        """
        worker, _ = self.fork()
        self.assertEqual(worker.process.stdio, (None, None, None))
        self.assertIsNone(worker.process.stdin)
        self.assertIsNone(worker.process.stdout)
        self.assertIsNone(worker.process.stderr)

    def test_pipes(self) -> None:
        """
        Each pipe is at its number, also one behind the usual three.
        """
        worker, _ = self.fork(stdio=["pipe", "ignore", "inherit", "ignore", "pipe"])
        self.assertEqual(
            [stream is not None for stream in worker.process.stdio],
            [True, False, False, False, True],
        )
        self.assertIs(worker.process.stdin, worker.process.stdio[0])
        self.assertIsNone(worker.process.stdout)

    def test_input(self) -> None:
        """
        What is written to its standard input it reads, until the end.
        """
        worker, process = self.fork(silent=True)
        asked: list[tuple[object, ...]] = []
        self.patch(process, "writeToChild", lambda *what: asked.append(what))
        self.patch(process, "closeChildFD", lambda *what: asked.append(("end", *what)))
        stdin = worker.process.stdin
        assert stdin is not None
        stdin.write(b"one")
        stdin.end()
        self.assertEqual(asked, [(0, b"one"), ("end", 0)])


class ConversationTests(ClusterCase):
    """
    What is said to a worker, and by it.
    """

    def setUp(self) -> None:
        """
        Start one.
        """
        super().setUp()
        self.worker, process = self.forkRunning()
        self.other = process.worker
        self.process = process

    def test_send(self) -> None:
        """
        A message reaches it, with what goes along, as it is to be sent.
        """
        received: list[Any] = []

        def receive(message: object, handle: Handle | None) -> None:
            received.append((message, handle.description if handle else None))
            closeHandle(handle)

        self.other.receiveMessages(receive)
        sent = [
            self.worker.send({"a": 1}),
            self.worker.send("file", self.aDescriptor(), keepOpen=True, unread=b"x"),
        ]
        self.other.deliver()
        for each in sent:
            self.assertIsNone(self.successResultOf(each))
        self.assertEqual(received, [({"a": 1}, None), ("file", "file True b'x'")])
        self.assertEqual(self.files.sent[0].outcomes, ["delivered"])

    def test_mistake(self) -> None:
        """
        What is no message is a mistake at once; so are orders for a handle where
        there is none.
        """
        with self.assertRaises(TypeError):
            self.worker.send(object())
        with self.assertRaisesRegex(ConfigurationError, "no handle"):
            self.worker.send("x", unread=b"x")
        with self.assertRaisesRegex(ConfigurationError, "no handle"):
            self.worker.send("x", keepOpen=True)

    def test_serialization(self) -> None:
        """
        How messages become bytes is the settings' when it was started.
        """
        worker, process = self.forkRunning(serialization="advanced")
        self.cluster.setupPrimary(serialization="json")
        process.worker.answerQuestions(lambda question: question)
        asked = worker.ask({b"bytes"})
        process.worker.deliver()
        self.assertEqual(self.successResultOf(asked), {b"bytes"})

    def test_received(self) -> None:
        """
        What it says is told with what came along.
        """
        told: list[tuple[object, object]] = []
        self.worker.on("message", lambda *what: told.append(what))
        descriptor = self.aDescriptor()
        self.other.sendMessage("alone")
        self.other.sendMessage("file", Handle("file", descriptor))
        self.other.deliver()
        self.assertEqual(told[0], ("alone", None))
        message, along = told[1]
        assert isinstance(along, int)
        self.assertEqual(message, "file")
        self.assertTrue(os.path.sameopenfile(along, descriptor))

    def test_ask(self) -> None:
        """
        It answers questions, and has its own answered; who waits too long, or
        for one that is gone, is told.
        """
        self.other.answerQuestions(lambda question: question + 1)
        self.worker.answer(lambda question: question * 2)
        answers = [self.worker.ask(4), self.other.ask(4)]
        self.other.deliver()
        self.assertEqual([self.successResultOf(each) for each in answers], [5, 8])
        slow, lost = self.worker.ask(1, timeout=2), self.worker.ask(2)
        self.clock.advance(3)
        self.failureResultOf(slow, TookTooLong)
        self.process.end()
        self.failureResultOf(lost, ChannelClosed)

    def test_commands(self) -> None:
        """
        A program's own AMP commands go both ways.
        """
        self.worker.addLocator(Doubling())
        self.other.application.locator = Doubling()
        asked = [
            self.worker.callRemote(Double, number=4),
            self.other.callRemote(Double, number=5),
        ]
        self.other.deliver()
        self.assertEqual(
            [self.successResultOf(each) for each in asked],
            [{"number": 8}, {"number": 10}],
        )
