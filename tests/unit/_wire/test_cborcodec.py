"""
Tests of L{twisted_cluster._wire.cborcodec}.
"""

from __future__ import annotations

import builtins
import ipaddress
import json
import math
import re
from collections import OrderedDict, deque
from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from cbor2 import CBORTag
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._wire.codecmessages import (
    Counted,
    advancedMessages,
    jsonMessages,
    nested,
    typesOf,
)
from twisted_cluster._wire.cborcodec import NESTING_LIMIT, AdvancedCodec
from twisted_cluster.errors import RemoteException


class AdvancedTests(SynchronousTestCase):
    """
    Tests for L{AdvancedCodec}.
    """

    codec = AdvancedCodec()

    def roundTrip(self, message: object) -> Any:
        """
        What arrives.
        """
        return self.codec.decode(self.codec.encode(message))

    @given(advancedMessages)
    def test_roundTrip(self, message: object) -> None:
        """
        What the description promises arrives as it was, with its types.
        """
        self.assertEqual(typesOf(self.roundTrip(message)), typesOf(message))

    @given(jsonMessages.filter(lambda message: "\\ud" not in ascii(message)))
    def test_json(self, message: object) -> None:
        """
        So does what JSON carries.
        """
        self.assertEqual(typesOf(self.roundTrip(message)), typesOf(message))

    def test_samples(self) -> None:
        """
        So do these, of which each is one that was hard.
        """
        for message in (
            Decimal("-Infinity"),
            Decimal("1.10"),
            -(2**200),
            1 + 2j,
            Fraction(1, 3),
            UUID(int=5),
            ipaddress.ip_network("10.0.0.0/8"),
            {(1, frozenset({2})): {(), b""}},
            datetime(2000, 1, 1, 12, tzinfo=timezone(timedelta(hours=5))),
            time(1, 2, 3, 4),
        ):
            self.assertEqual(typesOf(self.roundTrip(message)), typesOf(message))
        self.assertTrue(math.isnan(self.roundTrip(math.nan)))
        self.assertTrue(self.roundTrip(Decimal("NaN")).is_nan())
        self.assertEqual(
            self.roundTrip([bytearray(b"x"), memoryview(b"y")]), [b"x", b"y"]
        )

    def test_identity(self) -> None:
        """
        What occurs twice arrives as one object, and may contain itself.
        """
        shared = ["shared"]
        message: dict[str, Any] = {"a": shared, "b": shared, "own": [b"x"]}
        message["self"] = message
        message["own"].append(message["own"])
        arrived = self.roundTrip(message)
        self.assertIs(arrived["a"], arrived["b"])
        self.assertIs(arrived["self"], arrived)
        self.assertIs(arrived["own"][1], arrived["own"])
        self.assertIsNot(arrived["a"], shared)

    def test_exceptions(self) -> None:
        """
        Built-in exceptions arrive as what they were.
        """
        for error in (
            ValueError("text", 3),
            FileNotFoundError(2, "no such file"),
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "why"),
            KeyError(None),
        ):
            arrived = self.roundTrip([error])[0]
            self.assertIs(type(arrived), type(error))
            self.assertEqual(arrived.args, error.args)

    def test_otherExceptions(self) -> None:
        """
        Others arrive as a record: of types that are not built in, that would end
        the process, or that cannot be made from plain values.
        """

        class Unknown(Exception):
            pass

        for error, name in (
            (Unknown("why", object), f"{__name__}.{Unknown.__qualname__}"),
            (SystemExit(3), "SystemExit"),
            (json.JSONDecodeError("bad", "doc", 0), "json.decoder.JSONDecodeError"),
        ):
            arrived = self.roundTrip(error)
            self.assertIsInstance(arrived, RemoteException)
            self.assertEqual(arrived.typeName, name)
            self.assertEqual(arrived.message, str(error))
            self.assertEqual(str(arrived), f"{name}: {error}")
        self.assertEqual(self.roundTrip(Unknown(1, [2])).args, (1, "[2]"))
        cyclic = ValueError()
        cyclic.args = (cyclic,)
        self.assertRaises(ValueError, self.codec.encode, cyclic)

    def test_passedOn(self) -> None:
        """
        An exception that came from elsewhere arrives as what came.
        """
        came = self.roundTrip(json.JSONDecodeError("bad", "doc", 0))
        arrived = self.roundTrip(came)
        self.assertEqual(arrived.typeName, "json.decoder.JSONDecodeError")
        self.assertEqual(str(arrived), str(came))

    def test_files(self) -> None:
        """
        An error of the kernel's arrives with the file that it is about.
        """
        for error in (
            FileNotFoundError(2, "no such file", "/nowhere"),
            OSError(18, "not here", "/one", None, "/other"),
        ):
            arrived = self.roundTrip(error)
            self.assertIs(type(arrived), type(error))
            self.assertEqual(str(arrived), str(error))
            self.assertEqual(arrived.filename, error.filename)
            self.assertEqual(arrived.filename2, error.filename2)

    def test_times(self) -> None:
        """
        A time that is hard to say arrives as it is.
        """
        seconds = timezone(timedelta(hours=1, seconds=30, microseconds=5))
        for message in (
            datetime(2000, 1, 1, 12, tzinfo=seconds),
            datetime(2000, 1, 1, 12, fold=1),  # noqa: DTZ001
            datetime(2000, 1, 1, 12, fold=1, tzinfo=timezone.utc),
        ):
            arrived = self.roundTrip(message)
            self.assertEqual((arrived, arrived.fold), (message, message.fold))
            self.assertEqual(arrived.utcoffset(), message.utcoffset())

    def test_members(self) -> None:
        """
        A member of an enumeration arrives as its value.
        """

        class Colour(Enum):
            RED = "red"
            SEVERAL = ("red", "green")

        class Number(IntEnum):
            ONE = 1

        self.assertEqual(
            self.roundTrip([Colour.RED, Colour.SEVERAL, Number.ONE]),
            ["red", ("red", "green"), 1],
        )

    def test_refused(self) -> None:
        """
        Other types are refused, wherever they are: also those that the library would
        write and not read, or read as something else.
        """
        for message in (
            *(object(), [object()], {"key": {1: print}}),
            *(re.compile("a"), CBORTag(6000, 1), deque([1]), range(3)),
            ipaddress,
        ):
            with self.assertRaises(TypeError) as caught:
                self.codec.encode(message)
            self.assertIn("cannot contain", str(caught.exception))
        self.assertRaises(ValueError, self.codec.encode, "\ud800")

    def test_nesting(self) -> None:
        """
        What would be too deep for the other side is refused when it is sent.
        """
        wide = [[n] for n in range(2 * NESTING_LIMIT)]
        self.assertEqual(self.roundTrip(wide), wide)
        kinds: list[Any] = [list, tuple, frozenset, dict, OrderedDict, Counted]
        for kind in kinds:
            # A tuple is a list with a name beside it.
            deep = nested(NESTING_LIMIT // 2, kind)
            self.assertEqual(self.roundTrip(deep), deep)
            for depth in (NESTING_LIMIT + 1, 10_000):
                self.assertRaises(ValueError, self.codec.encode, nested(depth, kind))
        self.assertEqual(self.roundTrip([1]), [1])

    def test_harmless(self) -> None:
        """
        A peer cannot have other objects made: no functions, no classes, no regular
        expressions, no types that messages do not have.
        """

        def made(*parts: bytes) -> bytes:
            return b"\xd8\x1b" + bytes([0x80 + len(parts)]) + b"".join(parts)

        for content in (
            made(b"\x64eval", b"\x6411+1"),
            made(b"\x66object"),
            made(),
            made(b"\x67Decimal", b"\x61x"),
            made(b"\x69frozenset", b"\x80"),
            made(b"\x69timedelta", b"\x1b" + b"\x7f" * 8),
            made(b"\x69exception", b"\x01", b"\x60"),
            made(b"\x01"),
            made(b"\x80"),
            b"\xd8\x1b\x01",
            b"\xd8\x23\x61a",
            b"\xd8\x24\x61a",
            b"\xd9\xff\xff\x01",
        ):
            self.assertRaises(ValueError, self.codec.decode, content)
        for name in (b"eval", b"SystemExit", b"object", b"__import__"):
            content = made(b"\x69exception", bytes([0x60 + len(name)]) + name, b"\x60")
            self.assertIsInstance(self.codec.decode(content), RemoteException)

    @given(st.binary(max_size=100))
    def test_garbage(self, garbage: bytes) -> None:
        """
        Bytes mean something, or are a C{ValueError}.
        """
        try:
            self.codec.decode(garbage)
        except ValueError:
            return
        self.assertNotEqual(garbage, b"")

    def test_bombs(self) -> None:
        """
        Lengths that are lies, and nesting without end, are noticed before they
        take memory.
        """
        for content in (
            b"\x81" * 1_000_000,
            b"\x9b" + b"\xff" * 8,
            b"\x5b\x7f" + b"\xff" * 7,
            b"\xbb\x7f" + b"\xff" * 7,
            b"\xd8\x1d\x19\xff\xff",
        ):
            self.assertRaises(ValueError, self.codec.decode, content)
        self.assertRaises(ValueError, self.codec.decodeAll, [b"\x01", b"\xff"])

    def test_builtins(self) -> None:
        """
        No exception that is built in is more than an exception: making one does
        nothing.
        """
        codec = AdvancedCodec()
        for name in dir(builtins):
            known = getattr(builtins, name)
            if isinstance(known, type) and issubclass(known, Exception):
                tagged = b"\xd8\x1b\x83\x69exception\x78" + bytes([len(name)])
                made = codec.decode(tagged + name.encode() + b"\x60")
                self.assertIsInstance(made, Exception)
