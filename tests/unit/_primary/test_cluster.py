"""
Tests of L{twisted_cluster._primary.cluster}.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit._primary.clusters import ClusterCase, numbered
from twisted_cluster._primary.cluster import Cluster
from twisted_cluster._wire.lanes import Handle
from twisted_cluster.errors import ChannelClosed, ConfigurationError, WorkerLost
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.interfaces import IClusterObserver
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.settings import SchedulingPolicy

TCP = ListenRequest(kind=PortKind.TCP, port=8080)
ADDRESS = ListeningAddress(address=None, port=8080, addressType=4)
EVERY = (
    "setup",
    "fork",
    "online",
    "listening",
    "message",
    "disconnect",
    "exit",
    "error",
)
SETTINGS = {
    "exec": "site.py",
    "args": ["--port=80"],
    "execArgv": [],
    "silent": False,
    "serialization": "json",
}


@implementer(IClusterObserver)
class Observing:
    """
    Keeps what it is told.
    """

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def tell(self, *what: object) -> None:
        """
        Something happened.
        """
        self.told.append(tuple(map(numbered, what)))

    def clusterSetUp(self, settings: dict[str, Any]) -> None:
        """
        The settings were changed.
        """
        self.tell("setup", settings)

    def workerForked(self, worker: Any) -> None:
        """
        A worker was started.
        """
        self.tell("fork", worker)

    def workerFailed(self, worker: Any, error: Exception) -> None:
        """
        A worker's process could not be started.
        """
        self.tell("error", worker, error)

    def workerOnline(self, worker: Any) -> None:
        """
        A worker's process has come up.
        """
        self.tell("online", worker)

    def workerListening(self, worker: Any, address: ListeningAddress) -> None:
        """
        A worker listens.
        """
        self.tell("listening", worker, address)

    def workerMessage(self, worker: Any, message: object, handle: object) -> None:
        """
        A worker sent a message.
        """
        self.tell("message", worker, message, handle)

    def workerDisconnected(self, worker: Any) -> None:
        """
        A worker's channel is closed.
        """
        self.tell("disconnect", worker)

    def workerExited(self, worker: Any, exit: WorkerExit) -> None:
        """
        A worker's process has ended.
        """
        self.tell("exit", worker, exit.code, exit.signal)


class SetupTests(ClusterCase):
    """
    How a cluster is set up.
    """

    def test_before(self) -> None:
        """
        Before anything was asked of it, there are no settings and no workers.
        """
        self.assertEqual((self.cluster.settings, self.cluster.workers), ({}, {}))
        self.assertIs(self.cluster.schedulingPolicy, SchedulingPolicy.RR)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_defaults(self) -> None:
        """
        If nothing is said, workers run what this process does.
        """
        self.cluster.setupPrimary()
        self.assertEqual(self.cluster.settings, SETTINGS)

    def test_changes(self) -> None:
        """
        What is said holds for the workers to come, until something else is.
        """
        self.cluster.setupPrimary(exec="other.py")
        self.cluster.fork()
        self.cluster.setupPrimary(args=["-v"])
        self.cluster.fork()
        self.assertEqual(
            [process.program.arguments for process in self.spawner.processes],
            [("other.py", "--port=80"), ("other.py", "-v")],
        )
        self.assertEqual(
            self.cluster.settings, {**SETTINGS, "exec": "other.py", "args": ["-v"]}
        )

    def test_ownDictionary(self) -> None:
        """
        The settings that are shown are the caller's own.
        """
        self.cluster.setupPrimary()
        self.cluster.settings["exec"] = "other.py"
        self.cluster.settings["args"].append("-v")
        self.assertEqual(self.cluster.settings, SETTINGS)

    def test_told(self) -> None:
        """
        Each change is told in the next turn, as it was, and by a fork too.
        """
        self.listen("setup")
        self.cluster.setupPrimary(args=["1"])
        self.cluster.setupPrimary(args=["2"])
        self.assertEqual(self.told, [])
        self.clock.advance(0)
        self.cluster.fork()
        self.clock.advance(0)
        self.assertEqual(
            [what for _, what in self.told],
            [{**SETTINGS, "args": [each]} for each in ("1", "2", "2")],
        )

    def test_mistake(self) -> None:
        """
        What cannot work changes nothing, and is not told.
        """
        self.listen("setup")
        for mistake in ({"workers": 4}, {"args": "-v"}):
            with self.assertRaises(ConfigurationError):
                self.cluster.setupPrimary(**mistake)
        self.clock.advance(0)
        self.assertEqual((self.cluster.settings, self.told), ({}, []))

    def test_policy(self) -> None:
        """
        The policy can be set, as a word too, until there is something that
        follows it.
        """
        self.cluster.schedulingPolicy = SchedulingPolicy.NONE
        self.cluster.schedulingPolicy = "none"  # type: ignore[assignment]
        self.assertIs(self.cluster.schedulingPolicy, SchedulingPolicy.NONE)
        self.cluster.setupPrimary()
        with self.assertRaisesRegex(ConfigurationError, "before the first"):
            self.cluster.schedulingPolicy = SchedulingPolicy.RR
        self.assertIs(self.cluster.schedulingPolicy, SchedulingPolicy.NONE)
        self.cluster.fork()
        self.assertEqual(self.surroundings.policies, [SchedulingPolicy.NONE])

    def test_noPolicy(self) -> None:
        """
        What is no policy is a mistake.
        """
        with self.assertRaisesRegex(
            ConfigurationError, "no scheduling policy 'random'"
        ):
            self.cluster.schedulingPolicy = "random"  # type: ignore[assignment]
        self.assertIs(self.cluster.schedulingPolicy, SchedulingPolicy.RR)

    def test_firstPolicy(self) -> None:
        """
        It may be said from the first.
        """
        cluster = Cluster(self.surroundings, self.clock, SchedulingPolicy.NONE)
        cluster.setupPrimary()
        self.assertEqual(self.surroundings.policies, [SchedulingPolicy.NONE])


class ForkTests(ClusterCase):
    """
    How workers are started.
    """

    def test_fork(self) -> None:
        """
        A worker has the next number, and is known from then on; that is told
        when its starter has it.
        """
        self.listen("fork")
        workers = [self.cluster.fork() for _ in range(2)]
        self.assertEqual([worker.id for worker in workers], [1, 2])
        self.assertEqual(self.cluster.workers, dict(enumerate(workers, 1)))
        self.assertEqual(self.told, [])
        self.clock.advance(0)
        self.assertEqual(self.told, [("fork", 1), ("fork", 2)])

    def test_environment(self) -> None:
        """
        It can have variables of its own.
        """
        self.cluster.fork({"ROLE": "mail"})
        self.cluster.fork()
        self.assertEqual(
            [process.program.environment for process in self.spawner.processes],
            [{"ROLE": "mail"}, {}],
        )

    def test_life(self) -> None:
        """
        What happens to it is told with the worker, each thing once.
        """
        self.listen(*EVERY[1:])
        _, process = self.forkRunning()
        process.worker.listen(TCP)
        self.clock.advance(0)
        process.worker.sendMessage({"a": 1})
        process.worker.deliver()
        process.end(3)
        self.clock.advance(1)
        self.assertEqual(
            self.told,
            [
                ("fork", 1),
                ("online", 1),
                ("listening", 1, ADDRESS),
                ("message", 1, {"a": 1}, None),
                ("disconnect", 1),
                ("exit", 1, 3, None),
            ],
        )

    def test_known(self) -> None:
        """
        It is known until its process has ended: when its channel is closed it
        still is, when its exit is told it is not.
        """
        known: list[list[int]] = []
        for name in ("disconnect", "exit"):
            self.cluster.on(name, lambda *_: known.append(list(self.cluster.workers)))
        _, process = self.forkRunning()
        process.end(signal="SIGKILL")
        self.assertEqual(known, [[1], []])

    def test_cannotBeStarted(self) -> None:
        """
        A process that cannot be started is told as that, then as one that
        ended, after the start itself.
        """
        self.listen(*EVERY[1:])
        self.spawner.failNext(errno.EAGAIN)
        worker = self.cluster.fork()
        self.assertEqual(self.told, [])
        self.clock.advance(0)
        error = self.told[1][2]
        assert isinstance(error, OSError)
        self.assertEqual(error.errno, errno.EAGAIN)
        self.assertEqual(
            self.told,
            [
                ("fork", 1),
                ("error", 1, error),
                ("disconnect", 1),
                ("exit", 1, None, None),
            ],
        )
        self.assertEqual(self.cluster.workers, {})
        self.assertTrue(worker.isDead())

    def test_mistake(self) -> None:
        """
        A start that was a mistake is no start, and the next one works.
        """
        self.listen("fork", "exit")
        self.cluster.setupPrimary(exec="")
        self.assertRaises(ConfigurationError, self.cluster.fork)
        self.cluster.setupPrimary(exec="site.py")

        def mistaken(*arguments: object) -> None:
            raise TypeError("an environment with numbers")

        self.patch(self.spawner, "spawn", mistaken)
        self.assertRaises(TypeError, self.cluster.fork)
        del self.spawner.spawn
        self.assertEqual(self.cluster.workers, {})
        worker, process = self.forkRunning()
        process.end()
        self.assertEqual(self.told, [("fork", worker.id), ("exit", worker.id, 0, None)])


class MessageTests(ClusterCase):
    """
    Messages of workers.
    """

    def test_order(self) -> None:
        """
        The worker's own observers hear of a message first, then observers of
        the cluster, then those of its event.
        """
        heard: list[str] = []
        observer = Observing()
        observer.tell = lambda *what: heard.append(f"observer {what[0]}")  # type: ignore[method-assign]
        worker, process = self.forkRunning()
        worker.on("message", lambda message, along: heard.append("worker"))
        self.cluster.on("message", lambda *what: heard.append("cluster"))
        self.cluster.addObserver(observer)
        process.worker.sendMessage("hello")
        process.worker.deliver()
        self.assertEqual(heard, ["worker", "observer message", "cluster"])

    def test_amongOthers(self) -> None:
        """
        Whoever begins or ceases to observe while a message is told does so from
        there on, even if more came together with it; who observes only once has
        one; and who fails harms nobody.
        """
        heard: list[object] = []
        worker, process = self.forkRunning()

        def inCluster(_: object, message: object, along: object) -> None:
            heard.append(("cluster", message))

        def inWorker(message: int, along: object) -> None:
            heard.append(("worker", message))
            if message == 4:
                self.cluster.on("message", inCluster)
            elif message == 6:
                worker.off("message", inWorker)
                raise ZeroDivisionError

        worker.on("message", inWorker)
        worker.once("message", lambda message, along: heard.append(("once", message)))
        for number in range(9):
            process.worker.sendMessage(number)
        process.worker.deliver()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        inAll = [("worker", 4), ("cluster", 4), ("worker", 5), ("cluster", 5)]
        self.assertEqual(
            heard,
            [
                ("worker", 0),
                ("once", 0),
                ("worker", 1),
                ("worker", 2),
                ("worker", 3),
                *inAll,
                ("worker", 6),
                ("cluster", 6),
                ("cluster", 7),
                ("cluster", 8),
            ],
        )

    def test_along(self) -> None:
        """
        What came along is told with the message.
        """
        self.listen("message")
        _, process = self.forkRunning()
        descriptor = self.aDescriptor()
        process.worker.sendMessage("file", Handle("file", descriptor))
        process.worker.deliver()
        [(_, id, message, along)] = self.told
        self.assertEqual((id, message), (1, "file"))
        assert isinstance(along, int)
        self.assertTrue(os.path.sameopenfile(along, descriptor))

    def observe(self, how: str) -> None:
        """
        Observe messages in one of the ways that there are.
        """
        worker = self.cluster.workers.get(1)
        if how in ("on", "once"):
            getattr(self.cluster, how)("message", self._telling("message"))
        elif how == "observer":
            observer = Observing()
            observer.told = self.told
            self.cluster.addObserver(observer)
        elif worker is not None:
            worker.on("message", partial(self._telling("message"), worker))

    def test_early(self) -> None:
        """
        Messages wait for the first who observes them, however that is done, and
        are not delivered before; what comes later goes to them, too.
        """
        for how in ("on", "once", "observer", "worker"):
            self.setUp()
            _, process = self.forkRunning()
            early = process.worker.sendMessage("early")
            process.worker.deliver()
            self.cluster.on("exit", lambda *what: None)
            self.assertNoResult(early)
            self.observe(how)
            self.clock.advance(0)
            process.worker.deliver()
            self.successResultOf(early)
            late = process.worker.sendMessage("late")
            process.worker.deliver()
            if how == "once":
                self.assertNoResult(late)
                self.observe(how)
                self.clock.advance(0)
                process.worker.deliver()
            self.successResultOf(late)
            told = [what for what in self.told if what[0] == "message"]
            self.assertEqual([what[2] for what in told], ["early", "late"])

    def test_oneByOne(self) -> None:
        """
        Whoever waits for one message at a time misses none: they wait in between,
        and are not delivered, in whichever order he comes and they do.
        """
        _, process = self.forkRunning()
        received: list[object] = []

        async def receive() -> None:
            while len(received) < 20:
                received.append(await self.cluster.when("message"))

        for each in range(10):
            process.worker.sendMessage(each)
        process.worker.deliver()
        done = Deferred.fromCoroutine(receive())
        self.clock.advance(0)
        rest = [process.worker.sendMessage(each) for each in range(10, 22)]
        process.worker.deliver()
        self.successResultOf(done)
        worker = self.cluster.workers[1]
        self.assertEqual(received, [(worker, each, None) for each in range(20)])
        for sent in rest[:10]:
            self.successResultOf(sent)
        for sent in rest[10:]:
            self.assertNoResult(sent)
        process.worker.hangUp()
        for sent in rest[10:]:
            self.failureResultOf(sent, ChannelClosed)
        last = self.cluster.when("message")
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(last), (worker, 20, None))
        with capturedLogs() as events:
            process.end()
        said = "\n".join(filter(None, map(formatEvent, events)))
        self.assertIn("the last 1 are lost", said)

    def test_oneByOneFairly(self) -> None:
        """
        Nor does he hear one worker alone while others wait.
        """
        processes = [self.forkRunning()[1] for _ in range(3)]
        for process in processes:
            for each in range(4):
                process.worker.sendMessage(each)
        heard: list[tuple[int, object]] = []
        for _ in range(12):
            for process in processes:
                process.worker.deliver()
            next_ = self.cluster.when("message")
            self.clock.advance(0)
            worker, message, _ = self.successResultOf(next_)
            heard.append((worker.id, message))
        self.assertEqual(heard, [(id, each) for each in range(4) for id in (1, 2, 3)])

    def test_oneByOneDeeply(self) -> None:
        """
        Nor is he called from within himself, however many wait, and from however many
        workers.
        """
        count = sys.getrecursionlimit()
        processes = [self.forkRunning()[1] for _ in range(3)]
        sent = []
        for process in processes:
            sent += [process.worker.sendMessage(each) for each in range(count)]
            process.worker.deliver()
        heard: list[object] = []
        depths: set[int] = set()

        def hear(worker: Any, message: object, along: object) -> None:
            heard.append(message)
            depths.add(len(traceback.extract_stack()))
            self.cluster.once("message", hear)

        def hearFirst(what: tuple[Any, ...]) -> None:
            heard.append(what[1])
            if len(heard) < count:
                self.cluster.when("message").addCallback(hearFirst)
            else:
                self.cluster.once("message", hear)

        self.cluster.when("message").addCallback(hearFirst)
        for _ in range(3):
            self.clock.advance(0)
            for process in processes:
                process.worker.deliver()
        self.assertEqual(sorted(heard), sorted([*range(count)] * 3))
        self.assertLess(max(depths) - min(depths), 20)
        for each in sent:
            self.successResultOf(each)

    def test_oneByOneAtTheExit(self) -> None:
        """
        What has come when a worker's exit is told is still had by whoever wants one
        after the other, of the worker or of all.
        """

        def begin(hearing: Coroutine[Deferred[Any], Any, None]) -> None:
            Deferred.fromCoroutine(hearing).addErrback(
                lambda failure: failure.trap(WorkerLost)
            )

        for workerOnly in (True, False):
            worker, process = self.forkRunning()
            for each in range(10):
                process.worker.sendMessage(each)
            process.worker.sayLastWords()
            process.worker.hangUp()
            heard: list[object] = []

            async def hear(source: Any, heard: list[object] = heard) -> None:
                while True:
                    heard.append((await source.when("message"))[-2])

            source = worker if workerOnly else self.cluster

            source.once("exit", lambda *_, start=hear, of=source: begin(start(of)))
            process.exit()
            self.assertEqual(heard, [*range(10)])

    def test_unobserved(self) -> None:
        """
        Messages wait from the moment in which the last observer is taken off, however
        it had come.
        """
        worker, process = self.forkRunning()
        observer = Observing()
        ignore = self.cluster.on("message", lambda *what: None)
        ignoreOne = worker.on("message", lambda *what: None)
        self.cluster.addObserver(observer)
        for leave in (
            lambda: self.cluster.off("message", ignore),
            lambda: worker.off("message", ignoreOne),
            lambda: self.cluster.removeObserver(observer),
        ):
            sent = process.worker.sendMessage("heard")
            process.worker.deliver()
            self.successResultOf(sent)
            leave()
        sent = process.worker.sendMessage("unheard")
        process.worker.deliver()
        self.assertNoResult(sent)

    def test_observedBefore(self) -> None:
        """
        Who observes the cluster has the messages of workers that are started
        later.
        """
        self.observe("on")
        _, process = self.forkRunning()
        sent = process.worker.sendMessage("hello")
        process.worker.deliver()
        self.successResultOf(sent)
        self.assertEqual(self.told, [("message", 1, "hello", None)])

    def test_others(self) -> None:
        """
        Who observes a worker has not the messages of the others.
        """
        first, one = self.forkRunning()
        second, other = self.forkRunning()
        first.on("message", lambda message, along: None)
        sent = [one.worker.sendMessage(1), other.worker.sendMessage(2)]
        one.worker.deliver()
        other.worker.deliver()
        self.successResultOf(sent[0])
        self.assertNoResult(sent[1])
        second.on("message", self._telling("second"))
        self.clock.advance(0)
        other.worker.deliver()
        self.successResultOf(sent[1])
        self.assertEqual(self.told, [("second", 2, None)])

    def test_flood(self) -> None:
        """
        A worker that sends and sends keeps its messages to itself while nobody
        observes them.
        """
        worker, process = self.forkRunning()
        sent = [process.worker.sendMessage("x" * 100_000) for _ in range(50)]
        process.worker.deliver()
        for each in sent:
            self.assertNoResult(each)
        self.assertGreater(process.worker.unconfirmed, 5_000_000)
        received: list[int] = []
        worker.on("message", lambda message, along: received.append(len(message)))
        self.clock.advance(0)
        process.worker.deliver()
        self.assertEqual(received, [100_000] * 50)

    def test_lastWords(self) -> None:
        """
        A worker that is about to end has not to wait for an observer: what it
        sent waits here, until its exit has been told.  It is not told that it was
        delivered.
        """
        worker, process = self.forkRunning()
        sent = process.worker.sendMessage("good bye")
        self.assertTrue(process.worker.sayLastWords())
        self.assertNoResult(sent)
        worker.whenExited().addCallback(
            lambda _: worker.on("message", self._telling("message"))
        )
        with capturedLogs() as events:
            process.end()
        self.assertEqual(self.told, [("message", "good bye", None)])
        self.assertEqual(events, [])
        self.failureResultOf(sent, ChannelClosed)

    def test_lastWordsObserved(self) -> None:
        """
        It waits for one that there is.
        """
        self.listen("message")
        _, process = self.forkRunning()
        sent = process.worker.sendMessage("good bye")
        self.assertTrue(process.worker.sayLastWords())
        self.successResultOf(sent)

    def test_lastWordsUnanswered(self) -> None:
        """
        A worker that is lost while it waits for those who have taken some is nobody's
        mistake, however often it has asked.
        """
        worker, process = self.forkRunning()
        worker.once("message", lambda *what: None)
        for each in range(3):
            process.worker.sendMessage(each)
        process.worker.deliver()
        self.clock.advance(0)
        for _ in range(2):
            self.assertFalse(process.worker.sayLastWords())
        with capturedLogs() as events:
            process.end(signal="SIGKILL")
        said = "\n".join(filter(None, map(formatEvent, events)))
        self.assertIn("the last 2 are lost", said)
        self.assertEqual([event for event in events if "log_failure" in event], [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_observedAtTheExit(self) -> None:
        """
        Whoever begins to observe all messages when the exit is told still has them.
        """
        _, process = self.forkRunning()
        process.worker.sendMessage("good bye")
        process.worker.deliver()
        self.cluster.once("exit", lambda *_: self.listen("message"))
        process.end()
        self.assertEqual(self.told, [("message", 1, "good bye", None)])

    def test_unheard(self) -> None:
        """
        What nobody has observed by then is lost, with what came along; that is
        logged.
        """
        worker, process = self.forkRunning()
        process.worker.sendMessage("file", Handle("file", self.aDescriptor()))
        process.worker.sendMessage("good bye")
        process.worker.sayLastWords()
        with capturedLogs() as events:
            process.end()
        said = "\n".join(filter(None, map(formatEvent, events)))
        self.assertIn("the last 2 are lost", said)
        worker.on("message", self._telling("message"))
        self.assertEqual(self.told, [])
        self.assertEqual(self.files.received, [])

    def test_broadcast(self) -> None:
        """
        A message to all reaches each worker that there is; which it did not
        reach is known when all is.
        """
        received: list[tuple[int, object]] = []

        def receive(number: int, message: object, handle: Handle | None) -> None:
            received.append((number, message))

        for _ in range(3):
            _, process = self.forkRunning()
            process.worker.receiveMessages(partial(receive, process.workerID))
        sent = self.cluster.broadcast({"news": 1})
        first, second, third = self.spawner.processes
        first.worker.deliver()
        third.worker.deliver()
        self.assertNoResult(sent)
        second.end()
        outcomes = self.successResultOf(sent)
        self.assertEqual(received, [(1, {"news": 1}), (3, {"news": 1})])
        self.assertEqual([good for good, _ in outcomes], [True, False, True])
        outcomes[1][1].trap(ChannelClosed)

    def test_broadcastUnspeakable(self) -> None:
        """
        One worker that there are no words for does not keep it from the others: each
        has its own serialization.
        """
        self.forkRunning()
        _, advanced = self.forkRunning(serialization="advanced")
        received: list[object] = []
        advanced.worker.receiveMessages(lambda message, _: received.append(message))
        sent = self.cluster.broadcast({1, 2})
        advanced.worker.deliver()
        [[first, failure], [second, _]] = self.successResultOf(sent)
        self.assertEqual((first, second, received), (False, True, [{1, 2}]))
        failure.trap(TypeError)

    def test_broadcastToNobody(self) -> None:
        """
        Without workers all have it.
        """
        self.assertEqual(self.successResultOf(self.cluster.broadcast("news")), [])


class ObserverTests(ClusterCase):
    """
    Observers that are objects.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        super().setUp()
        self.observer = Observing()
        self.cluster.addObserver(self.observer)

    def test_interface(self) -> None:
        """
        Only what can be told everything can be one.
        """
        verifyObject(IClusterObserver, self.observer)
        self.assertRaises(TypeError, self.cluster.addObserver, object())

    def test_told(self) -> None:
        """
        They are told what the events tell, in the same order.
        """
        self.listen(*EVERY)
        self.spawner.failNext(errno.EAGAIN)
        self.cluster.fork()
        _, process = self.forkRunning()
        process.worker.listen(TCP)
        self.clock.advance(0)
        process.worker.sendMessage("hello")
        process.worker.deliver()
        process.end()
        self.assertEqual(self.observer.told, self.told)
        self.assertEqual({str(what[0]) for what in self.told}, set(EVERY))

    def test_removed(self) -> None:
        """
        One that was taken off is told nothing any more.
        """
        _, process = self.forkRunning()
        self.cluster.removeObserver(self.observer)
        before = list(self.observer.told)
        process.end()
        self.assertEqual(self.observer.told, before)

    def test_failing(self) -> None:
        """
        One that fails harms nobody.
        """

        def fail(*what: object) -> None:
            raise ValueError("a mistake")

        self.listen("exit")
        last = Observing()
        self.cluster.addObserver(last)
        _, process = self.forkRunning()
        self.observer.tell = fail  # type: ignore[method-assign]
        process.end()
        self.assertEqual(last.told[-1], ("exit", 1, 0, None))
        self.assertEqual(self.told, [("exit", 1, 0, None)])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)


class DisconnectTests(ClusterCase):
    """
    How a cluster ends.
    """

    def asked(self) -> list[int]:
        """
        How often each worker was asked to leave.
        """
        for process in self.spawner.living:
            process.worker.deliver()
        return [process.worker.timesAskedToLeave for process in self.spawner.processes]

    def test_disconnect(self) -> None:
        """
        Every worker is asked to leave; when the last has ended, and everybody
        has been told, the ports are closed and it is done.
        """
        self.listen("exit")
        processes = [self.forkRunning()[1] for _ in range(2)]
        for process in processes:
            process.worker.serve(TCP)
        done = self.cluster.disconnect()
        done.addCallback(lambda _: self.told.append(("done",)))
        self.assertEqual(self.asked(), [1, 1])
        processes[0].end()
        processes[1].loseChannels()
        self.clock.advance(1)
        self.assertEqual(len(self.opener.openPorts), 1)
        self.assertEqual(self.told, [("exit", 1, 0, None)])
        processes[1].exit()
        self.assertEqual(len(self.told), 2)
        self.clock.advance(0)
        self.assertEqual(self.told[2:], [("done",)])
        self.assertEqual(self.opener.openPorts, [])

    def test_givenUp(self) -> None:
        """
        Whoever waits no longer is told so, and his callback is not called; the
        workers leave, and the ports are closed, all the same.
        """
        processes = [self.forkRunning()[1] for _ in range(2)]
        processes[0].worker.serve(TCP)
        for turns in range(2):
            done = self.cluster.disconnect(partial(self.told.append, ("callback",)))
            done.addTimeout(1, self.clock)
            if turns:
                self.clock.advance(0)
            self.clock.advance(1)
            self.failureResultOf(done, TookTooLong)
        self.assertEqual(len(self.opener.openPorts), 1)
        for process in processes:
            process.end()
        self.clock.advance(0)
        self.assertEqual((self.opener.openPorts, self.told), ([], []))

    def test_nobody(self) -> None:
        """
        Without workers it is done in the next turn, not before: whether there
        ever were any or not.
        """
        for prepare in (lambda: None, self.cluster.setupPrimary):
            prepare()
            done = self.cluster.disconnect()
            self.assertNoResult(done)
            self.clock.advance(0)
            self.clock.advance(0)
            self.assertIsNone(self.successResultOf(done))

    def test_callback(self) -> None:
        """
        Whoever likes callbacks better is called then.
        """
        called: list[str] = []
        _, process = self.forkRunning()
        done = self.cluster.disconnect(lambda: called.append("done"))
        process.end()
        self.assertEqual(called, [])
        self.clock.pump([0, 0])
        self.assertEqual(called, ["done"])
        self.assertIsNone(self.successResultOf(done))

    def test_gone(self) -> None:
        """
        A worker that cannot be asked any more is only waited for.
        """
        _, process = self.forkRunning()
        process.loseChannels()
        done = self.cluster.disconnect()
        self.clock.pump([0, 0])
        self.assertNoResult(done)
        process.exit()
        self.clock.pump([0, 0])
        self.successResultOf(done)

    def test_cannotBeStarted(self) -> None:
        """
        Nor is one in the way that is just known not to have started.
        """
        self.spawner.failNext(errno.EAGAIN)
        self.cluster.fork()
        done = self.cluster.disconnect()
        self.clock.pump([0, 0, 0])
        self.successResultOf(done)

    def test_startedAgain(self) -> None:
        """
        Ports stay open if somebody has started workers again meanwhile; those
        are not waited for.
        """
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        done = self.cluster.disconnect()
        process.end()
        _, successor = self.forkRunning()
        self.clock.pump([0, 0])
        self.successResultOf(done)
        self.assertEqual(len(self.opener.openPorts), 1)
        self.assertEqual(self.asked(), [0, 0])
        again = self.cluster.disconnect()
        successor.end()
        self.clock.pump([0, 0])
        self.successResultOf(again)
        self.assertEqual(self.opener.openPorts, [])

    def test_twice(self) -> None:
        """
        Asking twice asks nobody twice; both are told.
        """
        _, process = self.forkRunning()
        both = [self.cluster.disconnect(), self.cluster.disconnect()]
        self.assertEqual(self.asked(), [1])
        process.end()
        self.clock.pump([0, 0])
        for done in both:
            self.successResultOf(done)

    def test_portsStay(self) -> None:
        """
        Ports of workers that crash stay open for their successors.
        """
        _, process = self.forkRunning()
        process.worker.serve(TCP)
        process.end(1)
        self.assertEqual(len(self.opener.openPorts), 1)


class SilentTests(ClusterCase):
    """
    What a cluster does not tell.
    """

    def test_running(self) -> None:
        """
        That a program's reactor runs is nothing that Node knows.
        """
        self.listen(*EVERY)
        _, process = self.fork()
        self.clock.advance(0)
        process.worker.announce()
        before = list(self.told)
        process.worker.run()
        self.clock.advance(0)
        self.assertEqual(self.told, before)
