"""
Tests for L{tests.chaos.soak.ledgers} and L{tests.chaos.soak.numbering}.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis.strategies import integers
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak.ledgers import (
    Outcome,
    OutcomeLedger,
    Taken,
    TakenLedger,
    Told,
)
from tests.chaos.soak.numbering import LIMIT, Manner, mannerOf, numberOf, sourceOf


class LedgerTests(SynchronousTestCase):
    """
    Tests for the ledgers.
    """

    def test_taken(self) -> None:
        """
        What one process stores another finds.
        """
        path = Path(self.mktemp())
        reader = TakenLedger.create(path, 4)
        self.addCleanup(reader.close)
        writer = TakenLedger(path)
        writer.made(1, 70_000)
        writer.touched(1)
        writer.made(2, 5)
        writer.made(2, 6)
        writer.mixed(2)
        writer.replied(2)
        writer.close()
        self.assertEqual(
            list(reader.records(3)),
            [Taken(0, 0, 0, 0, 0), Taken(1, 1, 0, 0, 70_000), Taken(2, 0, 1, 1, 6)],
        )

    def test_outcomes(self) -> None:
        """
        So it does for clients.
        """
        path = Path(self.mktemp())
        reader = OutcomeLedger.create(path, 3)
        self.addCleanup(reader.close)
        writer = OutcomeLedger(path)
        writer.write(1, Outcome.ANSWERED, 9, 1.5, 2.5)
        writer.close()
        self.assertEqual(len(reader), 3)
        self.assertEqual(
            list(reader.records(2)),
            [
                Told(Outcome.NOT_BEGUN, 0, 0.0, 0.0),
                Told(Outcome.ANSWERED, 9, 1.5, 2.5),
            ],
        )


class NumberingTests(SynchronousTestCase):
    """
    Tests for the numbers in addresses.
    """

    @given(integers(0, LIMIT - 1))
    def test_back(self, number: int) -> None:
        """
        The address of a number has this number, and can be bound to.
        """
        host, port = sourceOf(number)
        self.assertEqual(numberOf(host, port), number)
        self.assertTrue(all(0 <= int(part) < 255 for part in host.split(".")))
        self.assertTrue(1024 <= port < 65536)

    def test_none(self) -> None:
        """
        Other addresses have none.
        """
        self.assertIsNone(numberOf("0.0.0.0", 0))
        self.assertIsNone(numberOf("127.0.0.1", 30_000))

    def test_manners(self) -> None:
        """
        Every manner occurs, and to no number of workers always in one of them.
        """
        for workers in range(2, 9):
            seen = {(mannerOf(number), number % workers) for number in range(1000)}
            self.assertEqual(len(seen), len(Manner) * workers)
