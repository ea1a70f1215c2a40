"""
Tests of L{twisted_cluster._primary.roster}; what it does about workers is tested with
them, in C{test_workerhandle.py}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.roster import Roster
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.scheduling import ICandidate, ISchedulingPolicy, RoundRobin
from twisted_cluster.settings import HandoffSettings, SchedulingPolicy, WorkerProgram
from twisted_cluster.testing.ports import MemoryPortOpener
from twisted_cluster.testing.processes import MemorySpawner


@implementer(ISchedulingPolicy)
class Youngest:
    """
    Prefers the worker that came last.
    """

    def __init__(self) -> None:
        self._workers: list[ICandidate] = []

    def workerAdded(self, worker: ICandidate) -> None:
        """
        Prefer it.
        """
        self._workers.insert(0, worker)

    def workerRemoved(self, worker: ICandidate) -> None:
        """
        Forget it.
        """
        self._workers.remove(worker)

    def choose(
        self, connection: object, isFree: Callable[[ICandidate], bool]
    ) -> ICandidate | None:
        """
        Choose it, if it is free.
        """
        return next(filter(isFree, self._workers), None)


class PolicyTests(DescriptorsCountedTestCase):
    """
    Who chooses among the workers.
    """

    def setUp(self) -> None:
        """
        Start and open in memory.
        """
        super().setUp()
        self.spawner = MemorySpawner()
        self.opener = MemoryPortOpener()
        self.addCleanup(self.spawner.close)
        self.addCleanup(self.opener.close)

    def roster(self, newPolicy: Any) -> Roster:
        """
        Make one.
        """
        return Roster(
            SchedulingPolicy.RR,
            HandoffSettings(newPolicy=newPolicy),
            self.spawner,
            self.opener,
            Clock(),
        )

    def served(self, newPolicy: Any) -> list[int]:
        """
        By which of two workers four connections are served.
        """
        roster = self.roster(newPolicy)
        self.addCleanup(roster.close)
        program = WorkerProgram(arguments=(), environment={})
        for _ in range(2):
            roster.fork(program, 0)
            worker = self.spawner.processes[-1].worker
            worker.comeUp()
            answer = worker.listen(ListenRequest(kind=PortKind.TCP, port=8080))
            worker.startTaking(answer["loan"])
            self.addCleanup(self.spawner.processes[-1].end)
        self.opener.ports[-1].accept(4)
        served = []
        for process in self.spawner.living:
            process.worker.deliver()
            for handedOff in process.worker.handedOff:
                served += [process.workerID] * len(handedOff.inodes)
        return served

    def test_turns(self) -> None:
        """
        By default each in turn.
        """
        self.assertEqual(self.served(None), [1, 1, 2, 2])

    def test_own(self) -> None:
        """
        A program's own policy is asked, an object of its own for each port.
        """
        made: list[Youngest] = []

        def newPolicy() -> Youngest:
            made.append(Youngest())
            return made[-1]

        self.assertEqual(self.served(newPolicy), [2, 2, 2, 2])
        # One was only looked at.
        self.assertEqual(len(made), 2)

    def test_none(self) -> None:
        """
        What makes no policies is refused before a worker is started.
        """
        makers: list[Any] = [object, dict, lambda: None]
        for maker in makers:
            problem = self.assertRaises(ConfigurationError, self.roster, maker)
            self.assertIn("ISchedulingPolicy", str(problem))
        others: list[Any] = [5, "rr", RoundRobin()]
        for other in others:
            self.assertRaises(TypeError, self.roster, other)
