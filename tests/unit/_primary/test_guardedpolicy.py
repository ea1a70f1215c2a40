"""
Tests of L{twisted_cluster._primary.guardedpolicy}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit._primary.borrowers import SteppedWorker
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.guardedpolicy import GuardedPolicy, guarded
from twisted_cluster._primary.handoffport import HandoffPort
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.scheduling import ISchedulingPolicy, RoundRobin
from twisted_cluster.settings import HandoffSettings
from twisted_cluster.testing.ports import MemoryPortOpener


class Mistake(Exception):
    """
    The policy's.
    """


@implementer(ISchedulingPolicy)
class Wrong:
    """
    Does what the test says, and keeps who was added.

    @ivar choice: What is chosen: an exception is raised, a function is called with
        who was added.
    @ivar deaf: Whether it fails to hear of workers.
    """

    def __init__(self, choice: Any, deaf: bool = False) -> None:
        self.choice = choice
        self.deaf = deaf
        self.added: list[Any] = []

    def workerAdded(self, worker: object) -> None:
        """
        Keep it.
        """
        self.added.append(worker)
        if self.deaf:
            raise Mistake

    def workerRemoved(self, worker: object) -> None:
        """
        Do not forget it.
        """
        if self.deaf:
            raise Mistake

    def choose(self, connection: object, isFree: Any) -> Any:
        """
        Choose.
        """
        if isinstance(self.choice, Exception):
            raise self.choice
        return self.choice(self.added) if callable(self.choice) else self.choice


class GuardedPolicyTests(DescriptorsCountedTestCase):
    """
    A port with a policy that is wrong.
    """

    def setUp(self) -> None:
        """
        No port is open yet.
        """
        super().setUp()
        self.opener = MemoryPortOpener()
        self.addCleanup(self.opener.close)

    def serve(self, policy: Wrong, window: int = 8) -> tuple[int, int]:
        """
        Have eight clients connect, and two workers serve them.

        @return: How many each served.
        """
        port = HandoffPort(policy, HandoffSettings(window=window), Clock())
        kernel = self.opener.openForHandoff(
            ListenRequest(kind=PortKind.TCP, port=8080), port
        )
        port.opened(kernel)
        workers = SteppedWorker(1), SteppedWorker(2)
        for worker in workers:
            port.lend(worker, worker.id)
            port.startTaking(worker.id)
        kernel.accept(8)
        while any(worker.messages for worker in workers):
            for worker in workers:
                self.assertLessEqual(len(worker.underway), window)
                worker.answerAll()
        self.assertEqual(port.queued, 0)
        first, second = (len(worker.taken) for worker in workers)
        for worker in workers:
            worker.die()
            port.returned(worker.id)
        port.close()
        return first, second

    def test_fails(self) -> None:
        """
        One that fails to choose: the workers take turns, and it is said once.
        """
        self.assertEqual(self.serve(Wrong(Mistake())), (4, 4))
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 1)

    def test_nonsense(self) -> None:
        """
        One that chooses what is no worker of this port's.
        """
        for nonsense in (1, "worker", [], object(), SteppedWorker(1)):
            with capturedLogs() as events:
                self.assertEqual(self.serve(Wrong(nonsense)), (4, 4))
            [event] = [event for event in events if "chosen" in event]
            self.assertIs(event["chosen"], nonsense)

    def test_full(self) -> None:
        """
        One that chooses a worker which is not free: no more is on its way to that
        than may be.
        """
        with capturedLogs() as events:
            first, second = self.serve(Wrong(lambda added: added[0]), window=2)
        self.assertEqual(first + second, 8)
        self.assertGreater(first, second)
        self.assertTrue(all("chosen" in event for event in events))

    def test_gone(self) -> None:
        """
        One that chooses a worker which is gone.
        """
        policy = Wrong(lambda added: added[0])
        guard = GuardedPolicy(policy)
        workers: list[Any] = [SteppedWorker(1), SteppedWorker(2)]
        for worker in workers:
            guard.workerAdded(worker)
        self.assertIs(guard.choose(object(), lambda _: True), workers[0])
        guard.workerRemoved(workers[0])
        with capturedLogs() as events:
            self.assertIs(guard.choose(object(), lambda _: True), workers[1])
            self.assertIs(guard.choose(object(), lambda _: True), workers[1])
        self.assertEqual(len(events), 1)

    def test_deaf(self) -> None:
        """
        One that fails when it is told of workers.
        """
        self.assertEqual(self.serve(Wrong(Mistake(), deaf=True)), (4, 4))
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 5)

    def test_again(self) -> None:
        """
        When it was right in between, its next mistake is said again.
        """
        policy = Wrong(None)
        guard = GuardedPolicy(policy)
        for choice in (Mistake(), Mistake(), None, Mistake()):
            policy.choice = choice
            self.assertIsNone(guard.choose(object(), lambda _: True))
        self.assertEqual(len(self.flushLoggedErrors(Mistake)), 2)

    def test_guarded(self) -> None:
        """
        Ours needs no guard.
        """
        ours = RoundRobin()
        self.assertIs(guarded(ours), ours)
        verifyObject(ISchedulingPolicy, guarded(Wrong(None)))
