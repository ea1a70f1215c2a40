"""
What a program's own code raises is logged, and ends nothing else: nobody else's
events, messages, connections or workers.
"""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.protocols import amp
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit._primary.clusters import ClusterCase, OpenFiles
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.cluster import EVENTS as CLUSTER_EVENTS
from twisted_cluster._wire.channel import responds
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.lanes import Handle
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster.errors import AnswerFailed
from twisted_cluster.interfaces import IClusterObserver
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.observing import Emitter, Observers
from twisted_cluster.testing.channels import connectedChannels
from twisted_cluster.workerapi import EVENTS as WORKER_EVENTS

TCP = ListenRequest(kind=PortKind.TCP, port=8080)

TOLD = [
    *("setup", "fork", "its online", "online", "its listening", "listening"),
    *("its message", "message", "its disconnect", "disconnect", "its exit", "exit"),
    # Of the one that cannot be started.
    *("setup", "fork", "error", "disconnect", "exit"),
]


class Mistake(Exception):
    """
    A program's own.
    """


def fail(*what: object, **more: object) -> Any:
    """
    Whatever is asked for or told: make a mistake.
    """
    raise Mistake("somebody's mistake")


async def failLater(*what: object) -> Any:
    """
    The same in a coroutine.
    """
    raise Mistake("somebody's mistake")


def failing(*what: object) -> Deferred[Any]:
    """
    The same in a Deferred.
    """
    later: Deferred[Any] = Deferred()
    later.errback(Mistake("somebody's mistake"))
    return later


@implementer(IClusterObserver)
class FailingObserver:
    """
    Makes a mistake whatever it is told.
    """

    clusterSetUp = workerForked = workerFailed = workerOnline = fail
    workerListening = workerMessage = workerDisconnected = workerExited = fail


class ObserversTests(ClusterCase):
    """
    Whoever observes a cluster or its workers.
    """

    def live(self) -> list[tuple[object, ...]]:
        """
        The life of a worker, and that of one that cannot be started.

        @return: What is told to somebody who comes after those who fail.
        """
        self.listen(*CLUSTER_EVENTS)
        worker, process = self.fork()
        for name in WORKER_EVENTS:
            worker.on(name, self._telling(f"its {name}"))
        self.clock.advance(0)
        process.worker.comeUp()
        process.worker.serve(TCP)
        self.clock.advance(0)
        process.worker.sendMessage("hello")
        process.worker.deliver()
        self.opener.ports[0].accept(2)
        process.worker.deliver()
        process.worker.take()
        process.end(3)
        self.spawner.failNext(errno.EAGAIN)
        self.cluster.fork()
        self.clock.advance(0)
        gc.collect()
        return self.told

    def test_nobodyFails(self) -> None:
        """
        What is told when nobody fails.
        """
        self.assertEqual([name for name, *_ in self.live()], TOLD)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_events(self) -> None:
        """
        Events of the cluster and of a worker: the others are told everything, and
        the worker serves.
        """
        for name in CLUSTER_EVENTS:
            self.cluster.on(name, fail)
            self.cluster.once(name, fail)
        self.cluster.on("online", self._spoil)
        self.assertEqual([name for name, *_ in self.live()], TOLD)
        own = [name for name in TOLD if not name.startswith("its ")]
        others = ["listening", "message", "disconnect", "exit"]
        self.assertEqual(
            len(self.flushLoggedErrors(Mistake)),
            len(own) + len(CLUSTER_EVENTS) + len(others),
        )

    def _spoil(self, worker: Any) -> None:
        """
        Observe a worker, too.
        """
        for name in WORKER_EVENTS:
            worker.on(name, fail)

    def test_observer(self) -> None:
        """
        An C{IClusterObserver}, in each of its methods.
        """
        self.cluster.addObserver(FailingObserver())
        self.live()
        self.assertEqual([name for name, *_ in self.told], TOLD)
        own = [name for name in TOLD if not name.startswith("its ")]
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), len(own))

    def test_occasions(self) -> None:
        """
        Callbacks of a Deferred for what happens once.
        """
        worker, process = self.fork()
        conditions: tuple[Callable[[], Deferred[Any]], ...] = (
            worker.whenOnline,
            worker.whenListening,
            worker.whenDisconnected,
            worker.whenExited,
        )
        done: list[object] = []
        for condition in conditions:
            condition().addCallback(fail)
            condition().addCallback(done.append)
        self.clock.advance(0)
        process.worker.comeUp()
        process.worker.serve(TCP)
        self.clock.advance(0)
        process.end()
        gc.collect()
        self.assertEqual(len(done), 4)
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 4)

    def test_callbackOfDisconnect(self) -> None:
        """
        What is called when all have left fails the Deferred, after the ports were
        closed.
        """
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        done = self.cluster.disconnect(fail)
        process.end()
        self.clock.advance(0)
        self.clock.advance(0)
        self.failureResultOf(done, Mistake)
        self.assertEqual(self.opener.openPorts, [])

    def test_output(self) -> None:
        """
        Whoever reads what a worker writes.
        """
        worker, process = self.fork(silent=True)
        stream = worker.process.stdout
        assert stream is not None
        data: list[bytes] = []
        stream.on("data", fail)
        stream.on("data", data.append)
        stream.on("end", fail)
        process.say(b"one")
        process.say(b"two")
        process.end()
        self.assertEqual(data, [b"one", b"two"])
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 3)
        self.assertTrue(worker.isDead())

    def test_others(self) -> None:
        """
        One worker's messages that nobody can receive do not keep another's.
        """
        heard: list[object] = []
        for receiver in (fail, lambda message, _: heard.append(message)):
            worker, process = self.forkRunning()
            worker.on("message", receiver)
            for number in range(2):
                process.worker.sendMessage(number)
            process.worker.deliver()
            self.assertTrue(worker.isConnected())
        self.assertEqual(heard, [0, 1])
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 2)


class Shout(amp.Command):
    """
    A command of the program's own.
    """

    response = [(b"done", amp.Boolean())]


class Failing(amp.CommandLocator):
    """
    Responds as it is told to.
    """

    def __init__(self, responder: Any) -> None:
        super().__init__()
        self._responder = responder

    @Shout.responder
    def shout(self) -> Any:
        """
        Respond.
        """
        return self._responder()


class FailingLocator:
    """
    Fails already when it is asked who responds.
    """

    locateResponder = fail


class FailingFiles(OpenFiles):
    """
    Can make nothing of what comes, and send nothing.
    """

    def attach(self, handle: Handle) -> int:
        """
        Close it, as it has to.
        """
        os.close(handle.descriptor)
        return int(fail())

    detach = fail


def _keep(heard: list[object], message: object, along: object) -> None:
    """
    Keep a message.
    """
    heard.append(message)


class ConversationTests(DescriptorsCountedTestCase):
    """
    What a program does with the other side's messages, questions and commands.
    """

    def setUp(self) -> None:
        """
        Connect two sides.
        """
        super().setUp()
        self.clock = Clock()
        self.files = OpenFiles()
        self.addCleanup(self.files.close)
        self.link, other = MessagingChannel(JSONCodec()), MessagingChannel(JSONCodec())
        self.pump = connectedChannels(self.link, other)
        self.near = Correspondence(self.link, self.files, self.clock)
        self.far = Correspondence(other, FailingFiles(), self.clock)

    def assertGoesOn(self) -> None:
        """
        Messages, questions and commands go both ways.
        """
        for one, other in ((self.near, self.far), (self.far, self.near)):
            heard: list[object] = []
            other.receive(partial(_keep, heard))
            other.answer(lambda question: [question])
            other.locators._locators.clear()
            other.locators.add(Failing(lambda: {"done": True}))
            sent, asked = one.send("hey"), one.ask("what?")
            called = one.callRemote(Shout)
            self.pump.flush()
            self.assertIsNone(self.successResultOf(sent))
            self.assertEqual(self.successResultOf(asked), ["what?"])
            self.assertEqual(self.successResultOf(called), {"done": True})
            self.assertEqual(heard, ["hey"])

    def assertLogged(self, count: int) -> None:
        """
        So many mistakes were logged.
        """
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), count)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_receiver(self) -> None:
        """
        Who receives a message, before and after it came.
        """
        early = self.near.send("early")
        self.pump.flush()
        self.far.receive(fail)
        late = self.near.send("late")
        self.pump.flush()
        self.assertIsNone(self.successResultOf(early))
        self.assertIsNone(self.successResultOf(late))
        self.assertLogged(2)
        self.assertGoesOn()

    def test_answerer(self) -> None:
        """
        Who answers a question: at once, later, or in a coroutine.  Whoever asked is
        told.
        """
        for answerer in (fail, failing, failLater, lambda question: object()):
            self.far.answer(answerer)
            asked = self.near.ask("what?")
            self.pump.flush()
            self.failureResultOf(asked, AnswerFailed)
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 3)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)
        self.assertGoesOn()

    def test_responder(self) -> None:
        """
        Who responds to a command.
        """
        for responder in (fail, failing, dict):
            self.far.locators._locators.clear()
            self.far.locators.add(Failing(responder))
            called = self.near.callRemote(Shout)
            self.pump.flush()
            self.failureResultOf(called, amp.RemoteAmpError)
        self.assertEqual(len(self.flushLoggedErrors(amp.BadLocalReturn)), 1)
        self.assertLogged(2)
        self.assertGoesOn()

    def test_locator(self) -> None:
        """
        Who looks for a responder: others are asked all the same.
        """
        # The interface that it should provide is not what is tested.
        self.far.locators._locators.append(FailingLocator())  # type: ignore[arg-type]
        called = self.near.callRemote(Shout)
        self.pump.flush()
        self.failureResultOf(called, amp.RemoteAmpError)
        self.far.locators.add(Failing(lambda: {"done": True}))
        called = self.near.callRemote(Shout)
        self.pump.flush()
        self.assertEqual(self.successResultOf(called), {"done": True})
        self.assertLogged(2)
        self.assertGoesOn()

    def test_handles(self) -> None:
        """
        What is made of something that came along, and of what is to be sent.
        """
        heard: list[object] = []
        self.far.receive(lambda message, along: heard.append(along))
        sent = self.near.send("take it", self.aDescriptor())
        self.pump.flush()
        self.assertIsNone(self.successResultOf(sent))
        self.assertEqual(heard, [])
        self.assertLogged(1)
        self.assertRaises(Mistake, self.far.send, "take it", self.aDescriptor())
        self.assertGoesOn()

    def test_callbacks(self) -> None:
        """
        Callbacks of what was sent, asked or called, whether it succeeds or the
        channel is lost.
        """
        self.far.receive(lambda *_: None)
        self.far.answer(lambda question: question)
        self.far.locators.add(Failing(lambda: {"done": True}))
        for _ in range(3):
            for said in (
                self.near.send("x"),
                self.near.ask("x"),
                self.near.callRemote(Shout),
            ):
                said.addBoth(fail)
            del said
        self.pump.flush()
        self.assertLogged(9)
        self.assertGoesOn()
        for _ in range(2):
            self.near.send("x").addErrback(fail)
            self.near.ask("x").addErrback(fail)
            self.near.callRemote(Shout).addErrback(fail)
        self.pump.lose()
        self.assertLogged(6)

    def test_iterating(self) -> None:
        """
        A message whose own code fails is the sender's mistake, and nothing is sent.
        """

        class Endless(dict[str, object]):
            items = fail

        sent = [b""]
        self.patch(self.pump.first, "write", sent.append)
        with self.assertRaises((Mistake, TypeError)):
            self.near.send({"a": Endless(a=1), "b": object()})
        self.assertEqual(sent, [b""])


class Told(amp.Command):
    """
    A command of the package's own.
    """

    requiresAnswer = False


class PassingTests(SynchronousTestCase):
    """
    What is no mistake.
    """

    def test_interrupted(self) -> None:
        """
        C{KeyboardInterrupt} and C{SystemExit} pass through everything that isolates
        mistakes: whoever runs it, which is Twisted's reactor nearly always, logs
        them, and closes a channel in whose midst it was.
        """

        class Stopping:
            kind: type[BaseException]

            def happens(self) -> None:
                raise self.kind

        class Link(MessagingChannel):
            @responds(Told)
            def told(self) -> None:
                raise stopping.kind

        stopping = Stopping()
        emitter = Emitter(["happens"])
        emitter.on("happens", stopping.happens)
        observers: Observers[Stopping] = Observers()
        observers.add(stopping)
        link, other = Link(JSONCodec()), Link(JSONCodec())
        pump = connectedChannels(other, link)
        link.receiveMessages(lambda message, _: stopping.happens())
        for kind in (KeyboardInterrupt, SystemExit):
            stopping.kind = kind
            with capturedLogs() as events:
                self.assertRaises(kind, emitter.emit, "happens")
                self.assertRaises(kind, observers.tell, "happens")
                other.tell(Told)
                self.assertRaises(kind, pump.flush)
                other.sendMessage("x").addErrback(lambda _: None)
                self.assertRaises(kind, pump.flush)
            self.assertEqual(events, [])
