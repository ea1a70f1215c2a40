"""
Tests for L{tests.chaos.soak.plan}.
"""

from __future__ import annotations

from itertools import islice

from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak.plan import NODES, WEIGHTS, Fault, Kind, plan


class PlanTests(SynchronousTestCase):
    """
    Tests for L{plan}.
    """

    def test_same(self) -> None:
        """
        The same seed draws the same faults, another seed others.
        """
        first, again, other = (list(islice(plan(seed), 50)) for seed in (1, 1, 2))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_all(self) -> None:
        """
        Every kind of fault comes at the beginning, so that no run is without.
        """
        first = list(islice(plan(3), len(Kind)))
        self.assertEqual({fault.kind for fault in first}, set(Kind))

    def test_some(self) -> None:
        """
        Only those come that are wanted.
        """
        kinds = {fault.kind for fault in islice(plan(4, NODES), 200)}
        self.assertEqual(kinds, set(NODES))

    def test_weights(self) -> None:
        """
        The weights are of a hundred, and no kind is without.
        """
        self.assertEqual(sum(WEIGHTS.values()), 100)
        self.assertEqual(set(WEIGHTS), set(Kind))

    def test_choose(self) -> None:
        """
        A fault aims at one of those that there are.
        """
        for aim, chosen in ((0.0, 0), (0.5, 1), (0.99, 2), (1.0, 2)):
            fault = Fault(Kind.KILL, aim=aim, seconds=1, pause=1)
            self.assertEqual(fault.choose(3), chosen)
