"""
Tests of L{twisted_cluster._worker.thisworker}.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._worker.departures import HearingPrimary, ServingInSteps
from tests.unit._worker.test_booting import NoHandles
from tests.unit.doubling import Double, Doubling
from twisted_cluster._wire.channel import Channel
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._worker.leaving import Leaving
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster._worker.thisworker import ThisWorker
from twisted_cluster.errors import (
    AnswerFailed,
    ChannelClosed,
    ConfigurationError,
    WorkerLost,
)
from twisted_cluster.events import ListeningAddress
from twisted_cluster.observing import Emitter
from twisted_cluster.testing.channels import MemoryBlockingChannel, connectedChannels
from twisted_cluster.workerapi import Worker, WorkerStream

ADDRESS = ListeningAddress(address=None, port=8080, addressType=4)


class ThisWorkerTests(SynchronousTestCase):
    """
    Tests of L{ThisWorker}.
    """

    def setUp(self) -> None:
        """
        Make a worker whose reactor is installed, and the primary.
        """
        self.primary = HearingPrimary()
        self.primary.listen()
        self.link = PrimaryLink(
            JSONCodec(),
            # The two know each other.
            lambda: self.worker.leaveAsAsked(),  # noqa: PLW0108
            lambda: self.worker.channelLost(),  # noqa: PLW0108
        )
        query = QueryClient(MemoryBlockingChannel(Channel()))
        ports = PrimaryPorts(query, TakingLink())
        self.stops: list[str] = []
        leaving = Leaving(ports, self.link, lambda: self.stops.append("stop"))
        self.worker = ThisWorker(7, self.link, leaving)
        self.serving = ServingInSteps()
        self.pump = connectedChannels(self.primary, self.link)
        self.clock = Clock()

    def install(self) -> None:
        """
        There is a reactor from now on.
        """
        events = Emitter(("data", "end"))
        self.input = WorkerStream(events, lambda data: None, lambda: None)
        self.worker.reactorInstalled(
            self.serving,
            Correspondence(self.link, NoHandles(), self.clock),
            {0: self.input},
        )

    def finish(self) -> None:
        """
        Let the clients and all else that it serves come to an end.
        """
        for step in ("ports", "served", "idle"):
            self.serving.over(step)
            self.pump.flush()

    def test_itself(self) -> None:
        """
        It is connected and alive, and does not leave.
        """
        self.assertEqual(self.worker.id, 7)
        self.assertEqual(self.worker.state, "online")
        self.assertEqual(self.worker.process.pid, os.getpid())
        self.assertTrue(self.worker.isConnected())
        self.assertTrue(self.worker.process.connected)
        self.assertFalse(self.worker.isDead())
        self.assertFalse(self.worker.isBlocked())
        self.assertIsNone(self.worker.exitedAfterDisconnect)
        self.assertIsInstance(self.worker, Worker)
        self.assertEqual(repr(self.worker), "<Worker 7, online>")
        process = self.worker.process
        self.assertEqual((process.exitCode, process.signalCode), (None, None))

    def test_listening(self) -> None:
        """
        It is known whether it listens; and what is told in the primary only can be
        observed here, too, as in Node.
        """
        for name in ("online", "listening", "exit"):
            self.worker.on(name, lambda: self.fail("nobody tells that here"))
        self.install()
        self.assertEqual(self.worker.state, "online")
        self.serving.isListening = True
        self.assertEqual(self.worker.state, "listening")

    def test_whatBecomesOfIt(self) -> None:
        """
        The Deferreds of the primary's side are here, too: it is online; it listens,
        at some time; its end is not for itself to see.
        """
        self.assertIs(self.successResultOf(self.worker.whenOnline()), self.worker)
        listening = self.worker.whenListening()
        self.install()
        self.assertNoResult(listening)
        self.serving.listening.callback(ADDRESS)
        self.assertIs(self.successResultOf(listening), ADDRESS)
        ended = self.failureResultOf(self.worker.whenExited(), ConfigurationError)
        self.assertIn("in the primary", str(ended.value))
        self.pump.lose()
        self.assertIs(self.successResultOf(self.worker.whenOnline()), self.worker)
        self.assertIs(self.successResultOf(self.worker.whenListening()), ADDRESS)

    def test_neverListens(self) -> None:
        """
        Without a primary there is nothing to listen on, or to wait for.
        """
        self.install()
        listening, message = self.worker.whenListening(), self.worker.when("message")
        self.pump.lose()
        self.failureResultOf(listening, WorkerLost)
        self.failureResultOf(message, WorkerLost)

    def test_streams(self) -> None:
        """
        Its pipes are there once there is a reactor to read them with.
        """
        self.assertRaises(ConfigurationError, lambda: self.worker.process.stdin)
        self.install()
        process = self.worker.process
        self.assertEqual(process.stdio, (self.input, None, None))
        self.assertIs(process.stdin, self.input)
        self.assertIsNone(process.stdout)
        self.assertIsNone(process.stderr)

    def test_processKill(self) -> None:
        """
        Its process can be sent a signal, by name or number.
        """
        sent: list[tuple[int, int]] = []
        self.patch(os, "kill", lambda *what: sent.append(what))
        self.worker.process.kill()
        self.worker.process.kill("SIGHUP")
        self.worker.process.kill(signal.SIGUSR1)
        self.assertEqual(
            sent,
            [
                (os.getpid(), number)
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
            ],
        )
        self.assertRaises(ConfigurationError, self.worker.process.kill, "SIGMISS")

    def test_noAnswerer(self) -> None:
        """
        What answers has to be something that can be called, at any time.
        """
        self.assertRaises(ConfigurationError, self.worker.answer, 5)
        self.install()
        self.assertRaises(ConfigurationError, self.worker.answer, None)

    def test_disconnect(self) -> None:
        """
        It leaves because it wants to; asked twice, it goes once.
        """
        self.install()
        told: list[str] = []
        self.worker.on("disconnect", lambda: told.append(self.worker.state))
        first = self.worker.disconnect()
        second = self.worker.disconnect()
        self.assertEqual(self.worker.state, "disconnecting")
        self.assertTrue(self.worker.exitedAfterDisconnect)
        self.assertNoResult(first)
        self.finish()
        for left in (first, second, self.worker.disconnect()):
            self.assertIs(self.successResultOf(left), self.worker)
        self.assertIs(self.successResultOf(self.worker.whenDisconnected()), self.worker)
        self.assertEqual(told, ["disconnected"])
        self.assertFalse(self.worker.isConnected())
        self.assertTrue(self.worker.exitedAfterDisconnect)
        self.assertEqual(self.primary.heard, ["leaving"])
        self.assertEqual(self.stops, ["stop"])

    def test_asked(self) -> None:
        """
        It leaves because the primary wants it to.
        """
        self.install()
        self.worker.leaveAsAsked()
        self.assertTrue(self.worker.exitedAfterDisconnect)
        self.finish()
        self.assertEqual(self.primary.heard, ["leaving"])
        self.assertEqual(self.stops, ["stop"])

    def test_kill(self) -> None:
        """
        It can end at once, by either name; a signal is of no meaning.
        """
        self.install()
        self.worker.kill("SIGKILL")
        self.pump.flush()
        self.assertEqual(self.primary.heard, ["leaving"])
        self.assertEqual(self.stops, ["stop"])
        self.worker.destroy()
        self.assertEqual(self.stops, ["stop", "stop"])

    def test_lost(self) -> None:
        """
        A channel that is lost is nobody's wish.
        """
        self.install()
        gone = self.worker.whenDisconnected()
        self.pump.lose()
        self.assertIs(self.successResultOf(gone), self.worker)
        self.assertIs(self.worker.exitedAfterDisconnect, False)
        self.assertEqual(self.worker.state, "disconnected")

    def test_processDisconnect(self) -> None:
        """
        The channel can be closed without a word, and closed again.
        """
        self.install()
        self.worker.process.disconnect()
        self.assertFalse(self.worker.isConnected())
        self.failureResultOf(self.worker.send("late"), ChannelClosed)
        self.pump.flush()
        self.assertFalse(self.primary.connected)
        self.assertEqual(self.primary.heard, [])
        self.worker.process.disconnect()
        self.assertIs(self.worker.exitedAfterDisconnect, False)

    def test_send(self) -> None:
        """
        It sends messages and questions.
        """
        self.install()
        self.primary.answerQuestions(lambda question: question * 2)
        sent = self.worker.send("hello")
        answered = self.worker.ask(21)
        self.pump.flush()
        self.successResultOf(sent)
        self.assertEqual(self.successResultOf(answered), 42)
        self.assertEqual(self.primary.heard, ["hello"])

    def test_receive(self) -> None:
        """
        Early messages wait for those who observe them from the same turn on; each is
        told once to everyone.
        """
        self.install()
        got: list[object] = []
        self.worker.on("error", got.append)
        self.primary.sendMessage("early")
        self.pump.flush()
        self.worker.once("message", lambda message, _: got.append(("once", message)))
        self.worker.on("message", lambda *message: got.append(message))
        self.assertEqual(got, [])
        self.clock.advance(0)
        self.primary.sendMessage("late")
        self.pump.flush()
        self.assertEqual(got, [("once", "early"), ("early", None), ("late", None)])

    def test_receiveNoMore(self) -> None:
        """
        Messages wait again when nobody observes them any more.
        """
        self.install()
        got: list[object] = []
        observer = self.worker.on("message", lambda *message: got.append(message))
        sent = [self.primary.sendMessage(0)]
        self.pump.flush()
        self.worker.off("message", observer)
        sent += [self.primary.sendMessage(each) for each in range(1, 5)]
        self.pump.flush()
        self.worker.once("message", lambda *message: got.append(message))
        self.clock.advance(0)
        self.pump.flush()
        self.assertEqual(got, [(0, None), (1, None)])
        for each in sent[:2]:
            self.successResultOf(each)
        for each in sent[2:]:
            self.assertNoResult(each)

    def test_answer(self) -> None:
        """
        It answers questions, from when it says how.
        """
        self.install()
        refused = self.primary.ask(20)
        self.pump.flush()
        self.failureResultOf(refused, AnswerFailed)
        self.worker.answer(lambda question: question + 1)
        answered = self.primary.ask(20)
        self.pump.flush()
        self.assertEqual(self.successResultOf(answered), 21)

    def test_commands(self) -> None:
        """
        Commands of the application's own go both ways.
        """
        self.install()
        self.primary.application.locator = Doubling()
        self.worker.addLocator(Doubling())
        answers = [
            self.worker.callRemote(Double, number=4),
            self.primary.callRemote(Double, number=4),
        ]
        self.pump.flush()
        for answer in answers:
            self.assertEqual(self.successResultOf(answer), {"number": 8})

    def test_beforeTheReactor(self) -> None:
        """
        Before there is a reactor, everything that waits can be said, and what
        cannot be done is refused.
        """
        self.link.connected = 0
        self.assertTrue(self.worker.isConnected())
        self.link.connected = 1
        got: list[object] = []
        self.worker.on("message", lambda message, _: got.append(message))
        self.worker.answer(lambda question: question)
        self.worker.addLocator(Doubling())
        for refused in (
            lambda: self.worker.send("x"),
            lambda: self.worker.ask("x"),
            lambda: self.worker.callRemote(Double, number=4),
            self.worker.disconnect,
            self.worker.exclusive,
        ):
            problem = self.assertRaises(ConfigurationError, refused)
            self.assertIn("reactor", str(problem))
        self.install()
        self.primary.sendMessage("now")
        answers: list[Deferred[Any]] = [
            self.primary.ask(1),
            self.primary.callRemote(Double, number=4),
        ]
        self.pump.flush()
        self.assertEqual(got, ["now"])
        self.assertEqual([self.successResultOf(d) for d in answers], [1, {"number": 8}])

    def test_ports(self) -> None:
        """
        What is asked of ports is asked of what it serves.
        """
        self.install()
        factory = Factory()
        self.worker.exclusive()
        self.worker.ipv6Only()
        port = object()
        self.worker.limitConnections(port, 3)  # type: ignore[arg-type]
        told: list[object] = []
        self.worker.on("drop", lambda *what: told.append(what))
        self.worker.limitConnections(port, 4, drop=True)  # type: ignore[arg-type]
        *_, dropped = self.serving.calls.pop()
        dropped("host", "peer")
        self.assertEqual(told, [(port, "host", "peer")])
        self.worker.adoptStreamPort(5, socket.AF_INET, factory)
        self.worker.adoptDatagramPort(6, socket.AF_INET6, factory)
        self.assertEqual(
            self.serving.calls,
            [
                ("owning",),
                ("onIPv6Only",),
                ("limitConnections", port, 3, None),
                ("adoptStreamPort", 5, socket.AF_INET, factory),
                ("adoptDatagramPort", 6, socket.AF_INET6, factory, 8192),
            ],
        )
