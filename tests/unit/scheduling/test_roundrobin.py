"""
Tests of L{twisted_cluster.scheduling.roundrobin}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from unittest import TestCase

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from zope.interface import implementer

from twisted_cluster.scheduling import ICandidate, RoundRobin


@implementer(ICandidate)
@frozen
class NumberedWorker:
    """
    A worker that is nothing but its number.
    """

    id: int


def everybody(worker: ICandidate) -> bool:
    """
    Everybody is free.
    """
    return True


def rotation(workers: int) -> RoundRobin:
    """
    A policy with the workers 1, 2, 3...
    """
    policy = RoundRobin()
    for number in range(1, workers + 1):
        policy.workerAdded(NumberedWorker(number))
    return policy


def choices(policy: RoundRobin, count: int, busy: Iterable[int] = ()) -> list[int]:
    """
    The workers that the next C{count} connections go to, 0 for none.
    """
    chosen = [
        policy.choose(object(), lambda worker: worker.id not in busy)
        for _ in range(count)
    ]
    return [0 if worker is None else worker.id for worker in chosen]


class RoundRobinTests(TestCase):
    """
    Tests of L{RoundRobin} by example.
    """

    def test_rotation(self) -> None:
        """
        The workers have their turns in the order in which they came.
        """
        self.assertEqual(choices(rotation(3), 7), [1, 2, 3, 1, 2, 3, 1])

    def test_nobody(self) -> None:
        """
        A policy without workers chooses nobody.
        """
        self.assertEqual(choices(rotation(0), 1), [0])

    def test_nobodyFree(self) -> None:
        """
        If nobody is free nobody is chosen, and nobody loses a turn by it.
        """
        policy = rotation(2)
        self.assertEqual(choices(policy, 1), [1])
        self.assertEqual(choices(policy, 3, busy=[1, 2]), [0, 0, 0])
        self.assertEqual(choices(policy, 2), [2, 1])

    def test_busyWorkerKeepsItsPlace(self) -> None:
        """
        A worker that was passed over gets the next connection when it is free,
        and then one in turn as before.
        """
        policy = rotation(3)
        self.assertEqual(choices(policy, 5, busy=[1]), [2, 3, 2, 3, 2])
        self.assertEqual(choices(policy, 6), [1, 3, 2, 1, 3, 2])

    def test_newWorker(self) -> None:
        """
        A new worker has its turn after those who wait, before the one that was
        served last.
        """
        policy = rotation(3)
        self.assertEqual(choices(policy, 2), [1, 2])
        policy.workerAdded(NumberedWorker(4))
        self.assertEqual(choices(policy, 5), [3, 1, 4, 2, 3])

    def test_secondWorker(self) -> None:
        """
        A worker that was alone does not get two in a row when it no longer is.
        """
        policy = rotation(1)
        self.assertEqual(choices(policy, 3), [1, 1, 1])
        policy.workerAdded(NumberedWorker(2))
        self.assertEqual(choices(policy, 3), [2, 1, 2])

    def test_removed(self) -> None:
        """
        A worker that was removed is not chosen, and the others keep their
        order.
        """
        policy = rotation(4)
        self.assertEqual(choices(policy, 2), [1, 2])
        policy.workerRemoved(NumberedWorker(3))
        self.assertEqual(choices(policy, 4), [4, 1, 2, 4])

    def test_servedWorkerRemoved(self) -> None:
        """
        When the worker that was served last is gone, a new one comes after
        all that wait.
        """
        policy = RoundRobin()
        workers = [NumberedWorker(number) for number in (1, 2, 3, 4)]
        for worker in workers[:3]:
            policy.workerAdded(worker)
        self.assertEqual(choices(policy, 1), [1])
        policy.workerRemoved(workers[0])
        policy.workerAdded(workers[3])
        self.assertEqual(choices(policy, 4), [2, 3, 4, 2])

    @settings(deadline=None)
    @given(
        workers=st.integers(1, 12),
        before=st.integers(0, 30),
        burst=st.integers(0, 100),
        busy=st.sets(st.integers(1, 12)),
    )
    def test_burst(self, workers: int, before: int, burst: int, busy: set[int]) -> None:
        """
        A burst over free workers is spread to within one connection, whatever
        was before.
        """
        policy = rotation(workers)
        choices(policy, before, busy)
        counts = Counter(choices(policy, burst))
        shares = [counts[number] for number in range(1, workers + 1)]
        self.assertEqual(sum(shares), burst)
        self.assertLessEqual(max(shares) - min(shares), 1)

    def test_anyHistory(self) -> None:
        """
        No history of workers that come, go, are free and are not leads to an
        unfair choice.
        """
        run_state_machine_as_test(
            ChangingWorkers,
            settings=settings(max_examples=150, deadline=None),
        )


class ChangingWorkers(RuleBasedStateMachine):
    """
    Workers come and go and are free and not, while connections arrive.
    """

    def __init__(self) -> None:
        """
        Begin with no worker.
        """
        super().__init__()
        self.policy = RoundRobin()
        self.free: dict[NumberedWorker, bool] = {}
        # For each worker: who was served since it was served, while it was
        # free itself.
        self.preferred: dict[NumberedWorker, set[NumberedWorker]] = {}
        self.latest: NumberedWorker | None = None
        self.number = 0

    @rule(isFree=st.booleans())
    def add(self, isFree: bool) -> None:
        """
        A worker comes.
        """
        self.number += 1
        worker = NumberedWorker(self.number)
        self.free[worker] = isFree
        self.preferred[worker] = set()
        self.policy.workerAdded(worker)

    @precondition(lambda self: self.free)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """
        A worker goes.
        """
        worker = data.draw(st.sampled_from(list(self.free)))
        del self.free[worker], self.preferred[worker]
        self.policy.workerRemoved(worker)

    @precondition(lambda self: self.free)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        """
        A worker becomes free, or is not any more.
        """
        worker = data.draw(st.sampled_from(list(self.free)))
        self.free[worker] = not self.free[worker]

    @rule()
    def connect(self) -> None:
        """
        A connection arrives: it goes to a free worker if there is one, to
        another one than the connection before if there are two, and to nobody
        for the second time while somebody free has had none.
        """
        others = {worker for worker, isFree in self.free.items() if isFree}
        chosen = self.policy.choose(object(), lambda worker: worker in others)
        if chosen is None:
            assert not others
            return
        assert isinstance(chosen, NumberedWorker)
        assert chosen in others
        others.remove(chosen)
        if others:
            assert chosen != self.latest
        for worker in others:
            assert chosen not in self.preferred[worker]
            self.preferred[worker].add(chosen)
        self.preferred[chosen].clear()
        self.latest = chosen
