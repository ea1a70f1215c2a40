"""
How an application's messages become bytes.

Both sides have to use the same codec.  Either raises when a message is sent, not
when it arrives: C{TypeError} for a type and C{ValueError} for a value that it
cannot carry.

C{json} carries what JSON does, for which it needs nothing and is the faster one:

  - C{None}, C{bool}, C{int} of any size, C{float}, C{str}, lists and
    dictionaries, and their subclasses as these;
  - tuples, which arrive as lists;
  - dictionaries' keys that are C{None}, C{bool}, C{int} or C{float}, which arrive
    as strings.

It refuses NaN and the infinities, for which JSON has no words, and structures
that contain themselves.

C{advanced} also carries bytes (C{bytearray} and C{memoryview} arrive as these),
sets, frozen sets, tuples, keys of any such type, dates, times, differences of
times, C{Decimal}, C{Fraction}, C{complex}, C{UUID}, addresses of C{ipaddress}, NaN
and the infinities; and exceptions.  What occurs twice in a message is one object
when it arrives, and may contain itself.  A time zone arrives as its offset.

It never unpickles: what a peer sends can only become one of these types.  An
exception arrives as the built-in one of that name, and any other as
L{RemoteException}; arguments that are no plain values arrive as their C{repr}.
"""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from json import encoder as jsonEncoder
from typing import Any, NoReturn, cast

from twisted_cluster._wire.messaging import Codec
from twisted_cluster.errors import ConfigurationError

NESTING_LIMIT = 200
"""
How many containers may be inside each other in an C{advanced} message; a tuple and
a frozen set count twice.
"""

LONG = 8192
"""How many characters make a string, or a message, a long one."""

_Encode = Callable[[object, int], Iterable[str]]
_Encoder = Callable[[Any, Any], None]


def _unknown(value: object) -> NoReturn:
    """
    Refuse what JSON has no words for.
    """
    raise TypeError(
        f"a message cannot contain {type(value).__name__} with the serialization "
        "'json'; 'advanced' can contain more"
    )


def _noConstant(name: str) -> NoReturn:
    """
    Refuse what Python takes for JSON, and is none.
    """
    raise ValueError(f"{name} is not JSON")


_ESCAPED = ['"', "\\", *map(chr, range(32))]
"""What JSON does not have as it is in a string."""


def _quoteLong(text: str) -> str:
    """
    A string as JSON.  To look for each character that must be escaped takes a few
    instructions for many bytes; the standard library looks at one after the other.
    """
    if len(text) >= LONG and not any(character in text for character in _ESCAPED):
        return f'"{text}"'
    return jsonEncoder.encode_basestring(text)


def _encoder(ensureASCII: bool, long: bool = False) -> _Encode:
    """
    The standard library's encoder, made once: its C{json.dumps} makes one for
    each message, which takes longer than the message.

    @param long: Whether it is for messages with long strings.

    @return: It is given a message and 0, and returns pieces of text.
    """
    make = getattr(jsonEncoder, "c_make_encoder", None)
    if make is None:
        # An interpreter without the accelerator.
        slow = json.JSONEncoder(
            ensure_ascii=ensureASCII,
            check_circular=False,
            allow_nan=False,
            separators=(",", ":"),
            default=_unknown,
        )
        return lambda message, _: [slow.encode(message)]
    words = (
        jsonEncoder.encode_basestring_ascii
        if ensureASCII
        else jsonEncoder.encode_basestring
    )
    if long:
        words = _quoteLong
    fast: _Encode = make(None, _unknown, words, None, ":", ",", False, False, False)
    return fast


class JSONCodec:
    """
    Messages as JSON in UTF-8.

    @ivar _toPieces: The encoder that is the faster one for messages like the last.
    @ivar _expectsLong: Whether that is the one for long strings.
    """

    def __init__(self) -> None:
        self._toPieces = self._usual = _encoder(ensureASCII=False)
        self._expectsLong = False
        self._forLong = _encoder(ensureASCII=False, long=True)
        self._toASCII = _encoder(ensureASCII=True)
        decoder = cast(Any, json.JSONDecoder(parse_constant=_noConstant))
        self._decode = decoder.decode
        self._scan = decoder.scan_once

    def encode(self, message: object) -> bytes:
        """
        A message as JSON.
        """
        try:
            text = "".join(self._toPieces(message, 0))
            if self._expectsLong or len(text) >= LONG:
                self._expect(text)
            return text.encode()
        except UnicodeEncodeError:
            # Half of a surrogate pair has no UTF-8, but an escape.
            return "".join(self._toASCII(message, 0)).encode()
        except RecursionError:
            raise ValueError(
                "a message contains itself, or is nested too deep"
            ) from None

    def _expect(self, text: str) -> None:
        """
        The next message may be like this one: choose what is faster for it.
        """
        hasLong = len(text) >= LONG and text.count('"') * LONG < 8 * len(text)
        self._expectsLong = hasLong
        self._toPieces = self._forLong if hasLong else self._usual

    def decode(self, content: bytes) -> object:
        """
        The message that was encoded.
        """
        text = content.decode()
        try:
            try:
                message, end = self._scan(text, 0)
            except StopIteration:
                end = -1
            if end != len(text):
                # There may be blanks around it; those who send none should not
                # pay for that.
                message = self._decode(text)
        except RecursionError:
            raise ValueError("a message is nested too deep") from None
        return cast(object, message)

    def decodeAll(self, contents: list[bytes]) -> list[object]:
        """
        Many at once, as if they were a list: this takes half as long as one by
        one.
        """
        if len(contents) == 1:
            return [self.decode(contents[0])]
        text = b"".join((b"[", b",".join(contents), b"]")).decode()
        try:
            messages, end = self._scan(text, 0)
        except StopIteration:
            raise ValueError("a message that is not JSON") from None
        except RecursionError:
            raise ValueError("a message is nested too deep") from None
        if end != len(text) or len(messages) != len(contents):
            raise ValueError("messages that are not JSON")
        return cast("list[object]", messages)


class RemoteException(Exception):
    """
    An exception that came in a message, of a type that is not built in.

    @ivar typeName: The name of its type, with its module.
    @ivar message: What it says about itself.
    """

    def __init__(self, typeName: str, message: str, arguments: tuple[Any, ...]) -> None:
        super().__init__(*arguments)
        self.typeName = typeName
        self.message = message

    def __str__(self) -> str:
        return f"{self.typeName}: {self.message}"


_OBJECT_TAG = 27
"""CBOR's tag for an object as the name of its type and what it is made from."""

_PLAIN = (str, bytes, int, float, Decimal, date, time, timedelta, type(None))


def _exceptionMade(name: str, message: str, *arguments: object) -> BaseException:
    """
    The exception of that name if it is built in, or a record of it.
    """
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(*arguments)
        except Exception:
            # It cannot be made from these; then it stays a record.
            return RemoteException(name, message, arguments)
    return RemoteException(name, message, arguments)


def _exceptionParts(error: BaseException) -> list[object]:
    """
    What L{_exceptionMade} makes one from.
    """
    name = type(error).__qualname__
    if type(error).__module__ != "builtins":
        name = f"{type(error).__module__}.{name}"
    arguments = (
        argument if isinstance(argument, _PLAIN) else repr(argument)
        for argument in error.args
    )
    return ["exception", name, str(error), *arguments]


_MAKERS: Mapping[str, Callable[..., object]] = {
    "tuple": lambda *items: items,
    "frozenset": lambda *items: frozenset(items),
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": timedelta,
    "Decimal": Decimal,
    "exception": _exceptionMade,
}


def _objectMade(parts: Any, _immutable: bool) -> object:
    """
    What a tagged list stands for.

    @raise ValueError: if it stands for nothing that is in messages.
    """
    try:
        name, *arguments = parts
        make = _MAKERS[name]
    except (KeyError, TypeError, ValueError):
        raise ValueError("an object that messages do not contain") from None
    try:
        return make(*arguments)
    except Exception as e:
        raise ValueError(f"no {name} can be made of what a message says") from e


def _refuse(_value: object, _immutable: bool) -> NoReturn:
    """
    Refuse what our side does not send.
    """
    raise ValueError("a type that messages do not contain")


def _asTagged(parts: Callable[[Any], list[object]]) -> _Encoder:
    """
    An encoder of a type whose objects are made from these parts.
    """
    return lambda encoder, value: encoder.encode_semantic(_OBJECT_TAG, parts(value))


def _encodeDatetime(encoder: Any, value: datetime) -> None:
    """
    CBOR has only those with a time zone.
    """
    if value.tzinfo is None:
        encoder.encode_semantic(_OBJECT_TAG, ["datetime", value.isoformat()])
    else:
        encoder.encode_datetime(value)


def _encodeDecimal(encoder: Any, value: Decimal) -> None:
    """
    CBOR has only finite ones.
    """
    if value.is_finite():
        encoder.encode_decimal(value)
    else:
        encoder.encode_semantic(_OBJECT_TAG, ["Decimal", str(value)])


def _encodeOther(encoder: Any, value: object) -> None:
    """
    Encode exceptions, of which there are more types than can be listed.
    """
    if not isinstance(value, BaseException):
        raise TypeError(
            f"a message cannot contain {type(value).__name__} with the "
            "serialization 'advanced'"
        )
    encoder.encode_semantic(_OBJECT_TAG, _exceptionParts(value))


_ENCODERS: Mapping[type, _Encoder] = {
    tuple: _asTagged(lambda value: ["tuple", *value]),
    frozenset: _asTagged(lambda value: ["frozenset", *value]),
    time: _asTagged(lambda value: ["time", value.isoformat()]),
    timedelta: _asTagged(
        lambda value: ["timedelta", value.days, value.seconds, value.microseconds]
    ),
    datetime: _encodeDatetime,
    Decimal: _encodeDecimal,
    memoryview: lambda encoder, value: encoder.encode_bytes(bytes(value)),
}


class _Encoders(dict[type, _Encoder]):
    """
    By its type, how a value is encoded; what is not here, the library knows.

    Containers are counted on the way down: the library would follow them until
    the process has no more stack, and crash.

    @ivar _depth: How many containers the current value is in.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__(_ENCODERS)
        self._depth = 0
        self[list] = self._counted(encoder.encode_array)
        self[dict] = self._counted(encoder.encode_map)
        self[set] = self._counted(encoder.encode_set)
        for kind in (tuple, frozenset):
            self[kind] = self._counted(self[kind])
        # The library looks for these here too, and it costs much not to find them.
        self[str] = encoder.encode_string
        self[bytes] = encoder.encode_bytes
        self[int] = encoder.encode_int
        self[float] = encoder.encode_float
        self[bool] = encoder.encode_bool

    def __missing__(self, kind: type) -> _Encoder:
        """
        What is derived from a container is encoded as that.
        """
        for base in (list, dict, tuple, set, frozenset):
            if issubclass(kind, base):
                return self[base]
        raise KeyError(kind)

    def begin(self) -> None:
        """
        Nothing was counted yet.
        """
        self._depth = 0

    def _counted(self, encode: _Encoder) -> _Encoder:
        """
        An encoder that does not go too deep.
        """

        def encodeCounted(encoder: Any, value: Any) -> None:
            self._depth += 1
            if self._depth > NESTING_LIMIT:
                raise ValueError("a message is nested too deep")
            encode(encoder, value)
            self._depth -= 1

        return encodeCounted


# Regular expressions can be made that take for ever; the other is electronic mail.
_DECODERS = {_OBJECT_TAG: _objectMade, 35: _refuse, 36: _refuse}


class AdvancedCodec:
    """
    Messages as CBOR with shared values.
    """

    def __init__(self) -> None:
        """
        @raise ConfigurationError: if the library is not installed.
        """
        try:
            import cbor2
        except ImportError:
            raise ConfigurationError(
                "the serialization 'advanced' needs cbor2; it comes with "
                "'pip install twisted-cluster[advanced]'"
            ) from None
        self._cbor = cbor2
        self._encoders = _Encoders(cbor2.CBOREncoder)

    def encode(self, message: object) -> bytes:
        """
        A message as CBOR.
        """
        self._encoders.begin()
        try:
            return self._cbor.dumps(
                message,
                value_sharing=True,
                encoders=self._encoders,
                default=_encodeOther,
            )
        except RecursionError:
            raise ValueError("a message is nested too deep") from None
        except self._cbor.CBORError as e:
            if isinstance(e.__cause__, (TypeError, ValueError)):
                raise e.__cause__ from None
            raise ValueError(f"a message that cannot be encoded: {e}") from e

    def decode(self, content: bytes) -> object:
        """
        The message that was encoded.
        """
        try:
            return self._cbor.loads(
                content,
                tag_hook=_refuse,
                semantic_decoders=_DECODERS,
                # A tuple is a tag, a list of its name and itself.
                max_depth=3 * NESTING_LIMIT,
            )
        except (self._cbor.CBORError, RecursionError) as e:
            raise ValueError(f"a message that cannot be decoded: {e}") from e

    def decodeAll(self, contents: list[bytes]) -> list[object]:
        """
        One after the other.
        """
        return [self.decode(content) for content in contents]


codecs: Mapping[str, Callable[[], Codec]] = {
    "json": JSONCodec,
    "advanced": AdvancedCodec,
}


def codecNamed(name: str) -> Codec:
    """
    The codec of this name.

    @raise ConfigurationError: if there is none, or if it lacks its library.
    """
    if name not in codecs:
        raise ConfigurationError(
            f"there is no serialization {name!r}, but {', '.join(map(repr, codecs))}"
        )
    return codecs[name]()
