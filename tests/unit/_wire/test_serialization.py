"""
Tests of L{twisted_cluster._wire.serialization}.
"""

from __future__ import annotations

import builtins
import ipaddress
import json
import math
import sys
from collections import OrderedDict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest import mock
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._wire.serialization import (
    LONG,
    NESTING_LIMIT,
    AdvancedCodec,
    JSONCodec,
    RemoteException,
    codecNamed,
)
from twisted_cluster.errors import ConfigurationError

_jsonScalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20)
)
jsonMessages = st.recursive(
    _jsonScalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=10), inner, max_size=5)
    ),
    max_leaves=20,
)

_hashable = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.binary(max_size=20)
    | st.dates()
    | st.datetimes()
    | st.datetimes(timezones=st.just(timezone.utc))
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False, places=3)
    | st.uuids()
    | st.fractions()
    | st.ip_addresses()
)
_keys = st.recursive(
    _hashable,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3)
    ),
    max_leaves=5,
)
advancedMessages = st.recursive(
    _hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(_keys, max_size=4)
        | st.frozensets(_keys, max_size=4)
        | st.dictionaries(_keys, inner, max_size=4)
    ),
    max_leaves=20,
)


class Counted(list[Any]):
    """
    A list of one's own.
    """


def nested(depth: int, kind: Any = list) -> Any:
    """
    A container in a container in a container.
    """
    message = kind()
    for _ in range(depth - 1):
        message = kind([(1, message)]) if issubclass(kind, dict) else kind([message])
    return message


def typesOf(message: object) -> object:
    """
    The same structure with the type of everything beside it: C{True == 1 == 1.0},
    and a set equals a frozen set.
    """
    if isinstance(message, dict):
        return dict, frozenset((typesOf(k), typesOf(v)) for k, v in message.items())
    if isinstance(message, (set, frozenset)):
        return type(message), frozenset(map(typesOf, message))
    if isinstance(message, (list, tuple)):
        return type(message), tuple(map(typesOf, message))
    return type(message), message


class JSONTests(SynchronousTestCase):
    """
    Tests for L{JSONCodec}.
    """

    codec = JSONCodec()

    def roundTrip(self, message: object) -> object:
        """
        What arrives.
        """
        return self.codec.decode(self.codec.encode(message))

    @given(jsonMessages)
    def test_roundTrip(self, message: object) -> None:
        """
        What JSON carries arrives as it was, also text with half a surrogate pair.
        """
        self.assertEqual(typesOf(self.roundTrip(message)), typesOf(message))

    @given(jsonMessages)
    def test_isJSON(self, message: object) -> None:
        """
        It is JSON in UTF-8, for any reader of it.
        """
        self.assertEqual(json.loads(self.codec.encode(message)), message)

    @given(st.lists(jsonMessages, min_size=1, max_size=5))
    def test_decodeAll(self, messages: list[object]) -> None:
        """
        Many at once are as one by one.
        """
        contents = [self.codec.encode(message) for message in messages]
        self.assertEqual(self.codec.decodeAll(contents), messages)

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
        ]:
            for each in (message, [message], {"key": message}):
                with self.assertRaises(TypeError) as caught:
                    self.codec.encode(each)
                self.assertIn(name, str(caught.exception))
        for number in (math.nan, math.inf, -math.inf):
            self.assertRaises(ValueError, self.codec.encode, [number])

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

    def test_refused(self) -> None:
        """
        Other types are refused, wherever they are.
        """
        for message in (object(), [object()], {"key": {1: print}}):
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


class CodecNamedTests(SynchronousTestCase):
    """
    Tests for L{codecNamed}.
    """

    def test_names(self) -> None:
        """
        There are two.
        """
        self.assertIsInstance(codecNamed("json"), JSONCodec)
        self.assertIsInstance(codecNamed("advanced"), AdvancedCodec)

    def test_unknown(self) -> None:
        """
        Any other is a mistake, and the words name those that there are.
        """
        with self.assertRaises(ConfigurationError) as caught:
            codecNamed("pickle")
        self.assertIn("'json', 'advanced'", str(caught.exception))

    def test_notInstalled(self) -> None:
        """
        Without its library, C{advanced} says what to install.
        """
        with (
            mock.patch.dict(sys.modules, {"cbor2": None}),
            self.assertRaises(ConfigurationError) as caught,
        ):
            codecNamed("advanced")
        self.assertIn("twisted-cluster[advanced]", str(caught.exception))

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
