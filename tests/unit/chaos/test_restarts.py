"""
Tests for L{tests.chaos.restarts}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.restarts import MEMORY, Size, growth

START = Size(descriptors=10, children=0, objects=1000, pieces=9000, memory=50 << 20)


class GrowthTests(SynchronousTestCase):
    """
    Tests for L{growth}.
    """

    def assertWrong(self, end: Size, *wrong: str) -> None:
        """
        Assert what is said after 10000 restarts.
        """
        self.assertEqual(growth([START, START, end], 10_000), list(wrong))

    def test_flat(self) -> None:
        """
        Nothing is wrong with what stays as it was, or gets smaller.
        """
        self.assertWrong(START)
        self.assertWrong(evolve(START, objects=900, pieces=8000, memory=1))

    def test_caches(self) -> None:
        """
        Nor with what the interpreter keeps for later.
        """
        self.assertWrong(evolve(START, objects=1005, pieces=10_000))

    def test_descriptors(self) -> None:
        """
        Descriptors and children have to be exactly as many, all the time.
        """
        for name in ("descriptors", "children"):
            other = evolve(START, **{name: 11})
            said = [f"the number of {name} changes"]
            self.assertEqual(growth([START, other], 10), said)
            self.assertEqual(growth([START, other, START], 10), said)

    def test_leak(self) -> None:
        """
        What is kept for each restart is noticed, of whatever kind it is.
        """
        self.assertWrong(evolve(START, objects=11_000), "10000 objects more")
        self.assertWrong(evolve(START, pieces=19_000), "10000 pieces more")

    def test_memory(self) -> None:
        """
        So is memory that is no object's.
        """
        self.assertWrong(evolve(START, memory=START.memory + MEMORY))
        self.assertWrong(
            evolve(START, memory=START.memory + MEMORY + 1), "more than 4 MiB larger"
        )
