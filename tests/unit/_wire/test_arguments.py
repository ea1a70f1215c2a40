"""
Tests of L{twisted_cluster._wire.arguments}.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any
from unittest import TestCase

from hypothesis import given
from hypothesis import strategies as st

from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster.errors import MalformedBox


class Carrier:
    """
    As much of a channel as the arguments need.
    """

    def __init__(self) -> None:
        self.attached: Sequence[int] = ()
        self.claimable = [7, 8]

    def attachDescriptors(self, descriptors: Sequence[int]) -> None:
        """
        Keep them.
        """
        self.attached = descriptors

    def claimDescriptors(self) -> list[int]:
        """
        Give them.
        """
        return self.claimable


class NumbersTests(TestCase):
    """
    Tests of L{Numbers}.
    """

    @given(st.lists(st.integers(0, 2**64 - 1)))
    def test_roundTrip(self, numbers: list[int]) -> None:
        """
        Numbers of up to 64 bits stay what they are, eight bytes each.
        """
        data = Numbers().toString(numbers)
        self.assertEqual(len(data), 8 * len(numbers))
        self.assertEqual(Numbers().fromString(data), tuple(numbers))

    def test_network(self) -> None:
        """
        They are in network byte order.
        """
        self.assertEqual(Numbers().toString([1]), b"\0\0\0\0\0\0\0\1")

    def test_outOfRange(self) -> None:
        """
        Larger and negative numbers are refused.
        """
        for number in (2**64, -1):
            with self.assertRaises(struct.error):
                Numbers().toString([number])

    def test_malformed(self) -> None:
        """
        A part of a number is none.
        """
        with self.assertRaises(MalformedBox):
            Numbers().fromString(b"123456789")


class DescriptorsTests(TestCase):
    """
    Tests of L{Descriptors}.
    """

    def test_send(self) -> None:
        """
        The box has their number, the channel has them.
        """
        carrier = Carrier()
        strings: dict[bytes, bytes] = {}
        objects: dict[str, Any] = {"descriptors": [3, 4, 5]}
        Descriptors().toBox(b"descriptors", strings, objects, carrier)
        self.assertEqual(strings, {b"descriptors": b"3"})
        self.assertEqual(carrier.attached, [3, 4, 5])

    def test_sendNone(self) -> None:
        """
        Optional descriptors that are not given are not mentioned.
        """
        carrier = Carrier()
        strings: dict[bytes, bytes] = {}
        Descriptors(optional=True).toBox(b"descriptors", strings, {}, carrier)
        self.assertEqual((strings, carrier.attached), ({}, ()))

    def test_receive(self) -> None:
        """
        The group that came is claimed, whatever number the box says: some may
        have found no room.
        """
        objects: dict[str, Any] = {}
        Descriptors().fromBox(
            b"descriptors", {b"descriptors": b"3"}, objects, Carrier()
        )
        self.assertEqual(objects, {"descriptors": [7, 8]})

    def test_receiveNone(self) -> None:
        """
        A box that does not mention them has C{None}, if it may.
        """
        objects: dict[str, Any] = {}
        Descriptors(optional=True).fromBox(b"descriptors", {}, objects, Carrier())
        self.assertEqual(objects, {"descriptors": None})

    def test_missing(self) -> None:
        """
        Otherwise it is malformed.
        """
        with self.assertRaises(MalformedBox):
            Descriptors().fromBox(b"descriptors", {}, {}, Carrier())
