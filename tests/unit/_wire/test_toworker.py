"""
Tests of L{twisted_cluster._wire.toworker}.
"""

from __future__ import annotations

from unittest import TestCase

from twisted_cluster._wire.boxes import SIZE_LIMIT, serialize
from twisted_cluster._wire.toworker import TakeConnections


class Carrier:
    """
    Takes descriptors, and has none.
    """

    def attachDescriptors(self, descriptors: list[int]) -> None:
        """
        Not of interest here.
        """


class TakeConnectionsTests(TestCase):
    """
    Tests of L{TakeConnections}.
    """

    def test_full(self) -> None:
        """
        As many connections as fit into one message fit into one box.
        """
        box = TakeConnections.makeArguments(
            {
                "loan": 2**63,
                "inodes": [2**64 - 1] * 253,
                "descriptors": [0] * 253,
            },
            Carrier(),
        )
        self.assertLess(len(serialize(box)), SIZE_LIMIT)

    def test_answer(self) -> None:
        """
        The answer names positions.
        """
        box = TakeConnections.makeResponse({"refused": range(3)}, None)
        self.assertEqual(
            TakeConnections.parseResponse(box, None), {"refused": (0, 1, 2)}
        )
