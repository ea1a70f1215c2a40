"""
Tests of L{twisted_cluster._wire.jsoncodec}.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections import OrderedDict
from datetime import date
from enum import Enum, IntEnum
from typing import Any
from unittest import mock, skipUnless
from uuid import UUID

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak.readings import memoryOf
from tests.unit._wire.codecmessages import (
    jsonMessages,
    nested,
    typesOf,
)
from twisted_cluster._wire.jsoncodec import (
    LONG,
    JSONCodec,
    QuickJSONCodec,
    jsonCodec,
)

codecs = st.sampled_from([JSONCodec(), QuickJSONCodec()])


class Colour(Enum):
    """
    A plain enumeration.
    """

    RED = "red"
    MIXED = (1, 2.5)
    WRONG = b"bytes"
    ODD = math.nan


class Level(IntEnum):
    """
    One whose members are numbers.
    """

    LOW = 1


@frozen
class Record:
    """
    An object of one's own.
    """

    number: int


class JSONContract:
    """
    What every codec for JSON does.
    """

    codec: JSONCodec
    assertEqual: Any
    assertIn: Any
    assertRaises: Any

    def roundTrip(self, message: object) -> object:
        """
        What arrives.
        """
        return self.codec.decode(self.codec.encode(message))

    def test_blanks(self) -> None:
        """
        Another encoder may put blanks around a message.
        """
        self.assertEqual(self.codec.decode(b" \n[1, 2]\t "), [1, 2])
        for wrong in (b"", b" ", b"1 2", b"[1],", b" NaN", b" " + b"[" * 100_000):
            with self.assertRaises(ValueError):
                self.codec.decode(wrong)

    def test_long(self) -> None:
        """
        Long strings are encoded as short ones, whatever is in them, and whatever
        the messages before them were like.
        """
        for odd in ("", '"', "\\", "\n", "\x00", "\x1f", "\x7f", "\u20ac", "\ud800"):
            for message in ({"text": "x" * LONG + odd}, odd, ["short"] * LONG):
                for _ in range(2):
                    self.assertEqual(json.loads(self.codec.encode(message)), message)

    def test_foreign(self) -> None:
        """
        White space of another writer is no matter.
        """
        self.assertEqual(self.codec.decode(b' { "a" : 1 }\n'), {"a": 1})
        self.assertEqual(self.codec.decodeAll([b" 1 ", b"\n[ ]"]), [1, []])

    def test_arrivesOtherwise(self) -> None:
        """
        Tuples arrive as lists, keys as text, and subclasses as what they are
        derived from.
        """
        self.assertEqual(self.roundTrip((1, (2,))), [1, [2]])
        self.assertEqual(
            self.roundTrip({7: 1, 2.5: 2, True: 3, None: 4}),
            {"7": 1, "2.5": 2, "true": 3, "null": 4},
        )
        self.assertEqual(self.roundTrip(OrderedDict(a=1)), {"a": 1})

    def test_otherWords(self) -> None:
        """
        A member of an enumeration arrives as its value, and a UUID as its text.
        """
        number = UUID(int=5)
        for message, arrives in [
            (Colour.RED, "red"),
            (Colour.MIXED, [1, 2.5]),
            (Level.LOW, 1),
            (number, str(number)),
        ]:
            self.assertEqual(self.roundTrip(message), arrives)
            self.assertEqual(
                self.roundTrip({"a": [None, message]}), {"a": [None, arrives]}
            )

    def test_refused(self) -> None:
        """
        What JSON cannot carry is refused, wherever it is, and the words say what
        it is.
        """
        for message, name in [
            (b"x", "bytes"),
            ({1}, "set"),
            (date(2000, 1, 1), "date"),
            (ValueError(), "ValueError"),
            ({(1,): 2}, "tuple"),
            (Colour.WRONG, "bytes"),
            ({Colour.RED: 1}, "Colour"),
            (Record(1), "Record"),
        ]:
            for each in (message, [message], {"key": message}):
                with self.assertRaises(TypeError) as caught:
                    self.codec.encode(each)
                self.assertIn(name, str(caught.exception))
        for number in (math.nan, math.inf, -math.inf, Colour.ODD):
            for each in (number, [number], {"key": number}):
                self.assertRaises(ValueError, self.codec.encode, each)

    def test_withoutEnd(self) -> None:
        """
        So is what contains itself, or is nested without end; and the next message
        is not the worse for it.
        """
        cyclic: list[Any] = []
        cyclic.append(cyclic)
        for message in (cyclic, {"a": cyclic}, nested(100_000)):
            self.assertRaises(ValueError, self.codec.encode, message)
            self.assertEqual(self.roundTrip([1]), [1])

    def test_garbage(self) -> None:
        """
        What is not JSON is a C{ValueError}, also among other messages.
        """
        for content in (
            b"",
            b"{",
            b"1 2",
            b"1,2",
            b"NaN",
            b"\xff",
            b"[" * 100_000,
            b'{"a":1}}',
            b"]",
        ):
            self.assertRaises(ValueError, self.codec.decode, content)
            self.assertRaises(ValueError, self.codec.decodeAll, [content])
            self.assertRaises(ValueError, self.codec.decodeAll, [b"1", content])


class JSONPropertyTests(SynchronousTestCase):
    """
    Any message.
    """

    @given(codecs, codecs, jsonMessages)
    def test_roundTrip(
        self, writer: JSONCodec, reader: JSONCodec, message: object
    ) -> None:
        """
        What JSON carries arrives as it was, also text with half a surrogate pair,
        whichever codec each side has.
        """
        read = reader.decode(writer.encode(message))
        self.assertEqual(typesOf(read), typesOf(message))

    @given(codecs, jsonMessages)
    def test_isJSON(self, codec: JSONCodec, message: object) -> None:
        """
        It is JSON in UTF-8, for any reader of it.
        """
        self.assertEqual(json.loads(codec.encode(message)), message)

    @given(codecs, st.lists(jsonMessages, min_size=1, max_size=5))
    def test_decodeAll(self, codec: JSONCodec, messages: list[object]) -> None:
        """
        Many at once are as one by one.
        """
        contents = [codec.encode(message) for message in messages]
        self.assertEqual(codec.decodeAll(contents), messages)


class JSONCodecTests(JSONContract, SynchronousTestCase):
    """
    Tests for L{JSONCodec}.
    """

    codec = JSONCodec()

    def test_withoutAccelerator(self) -> None:
        """
        On an interpreter without C{_json}, the bytes are the same.
        """
        messages: list[object] = [{"a": [1, None, True, "\xfc\ud800"]}, "x", 1.5]
        with mock.patch("json.encoder.c_make_encoder", None):
            codec = JSONCodec()
            for message in messages:
                self.assertEqual(codec.encode(message), self.codec.encode(message))
            self.assertRaises(TypeError, codec.encode, [b"x"])


class QuickJSONCodecTests(JSONContract, SynchronousTestCase):
    """
    Tests for L{QuickJSONCodec}.
    """

    codec = QuickJSONCodec()

    def test_quick(self) -> None:
        """
        The standard library is asked only about what the other one cannot do, or
        would do otherwise.
        """
        asked: list[object] = []

        def encode(_: JSONCodec, message: object) -> bytes:
            asked.append(message)
            return b"asked"

        self.patch(JSONCodec, "encode", encode)
        messages = [
            *({"a": [1, 2.5, "\xfc", True, (1,)]}, {"a": 1, "b": "null", "c": False}),
            *(-(2**63), 2**64 - 1),
        ]
        for message in messages:
            self.assertEqual(
                json.loads(self.codec.encode(message)), json.loads(json.dumps(message))
            )
        self.assertEqual(asked, [])
        odd: list[object] = [None, math.nan, 2**64, "\ud800", {1: 2}, OrderedDict(a=1)]
        odd += [{"a": each} for each in odd]
        for message in odd:
            self.assertEqual(self.codec.encode(message), b"asked")
        self.assertEqual(asked, odd)

    def test_deep(self) -> None:
        """
        What would crash the other one is refused like everything else that is too
        deep, or contains itself.
        """
        cycles: list[list[Any]] = [[], [], []]
        cycles[0].append(cycles[0])
        cycles[1].append((cycles[1],))
        cycles[2].append({"a": ({"b": cycles[2]},)})
        for message in (
            *cycles,
            *(nested(depth, tuple) for depth in (5000, 50_000)),
            {"a": nested(50_000, tuple)},
            nested(50_000, list),
        ):
            self.assertRaises(ValueError, self.codec.encode, message)
        for kind in (list, tuple):
            deep = nested(150, kind)
            self.assertEqual(
                self.codec.decode(self.codec.encode(deep)), json.loads(json.dumps(deep))
            )

    @skipUnless(sys.platform == "linux", "needs /proc")
    def test_room(self) -> None:
        """
        Messages that wait take little more room than their bytes.
        """
        before = memoryOf(os.getpid())
        waiting = [self.codec.encode("x" * 100) for _ in range(20_000)]
        self.assertLess(memoryOf(os.getpid()) - before, 2 * 20_000 * 150)
        self.assertEqual(len(waiting), 20_000)


class JSONCodecChoiceTests(SynchronousTestCase):
    """
    Tests for L{jsonCodec}.
    """

    def test_choice(self) -> None:
        """
        It is the quick one, if its library is installed.
        """
        self.assertIs(type(jsonCodec()), QuickJSONCodec)
        with mock.patch.dict(sys.modules, {"orjson": None}):
            self.assertIs(type(jsonCodec()), JSONCodec)
