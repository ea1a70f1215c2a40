"""
Tests of L{benchmarks.figures}.
"""

from __future__ import annotations

from unittest import TestCase

from benchmarks.figures import Spread, counted, ratios, table


class FiguresTests(TestCase):
    """
    Numbers become what is printed.
    """

    def test_spread(self) -> None:
        """
        A spread is the least, the median and the greatest, in any order.
        """
        self.assertEqual(Spread.of([9.0, 1.0, 2.0]), Spread(1.0, 2.0, 9.0))

    def test_spreadShown(self) -> None:
        """
        It is shown with as many digits as asked for.
        """
        self.assertEqual(Spread(1.0, 2.25, 9.0).shown(1), "1.0/2.2/9.0")

    def test_ratiosAreTakenRoundByRound(self) -> None:
        """
        A round in which the machine was slow for both does not show.
        """
        self.assertEqual(ratios([1.0, 10.0], [2.0, 20.0]), Spread(0.5, 0.5, 0.5))

    def test_ratiosNeedTheSameRounds(self) -> None:
        """
        Rounds that do not pair up are a mistake.
        """
        with self.assertRaises(ValueError):
            ratios([1.0, 2.0], [1.0])

    def test_table(self) -> None:
        """
        The first column is aligned to the left, the others to the right.
        """
        self.assertEqual(
            table(["a:", "first"], [["one", "1"], ["three", "123456"]]),
            "a:      first\none         1\nthree  123456",
        )

    def test_counted(self) -> None:
        """
        Counts are listed by name.
        """
        self.assertEqual(counted({"short": 2, "late": 1}), "1 late, 2 short")
