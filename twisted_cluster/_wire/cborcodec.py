"""
Messages as CBOR with shared values.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Any, NoReturn
from uuid import UUID

from twisted_cluster.errors import ConfigurationError, RemoteException

NESTING_LIMIT = 200
"""
How many containers may be inside each other in an C{advanced} message; a tuple and
a frozen set count twice.
"""

_Encoder = Callable[[Any, Any], None]


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
    name, message = type(error).__qualname__, str(error)
    if type(error).__module__ != "builtins":
        name = f"{type(error).__module__}.{name}"
    arguments = error.args
    if isinstance(error, RemoteException):
        # It is passed on.
        name, message = error.typeName, error.message
    elif isinstance(error, OSError) and error.filename is not None:
        # What it is made from, of which it keeps the first two.
        arguments = (*arguments, error.filename, None, error.filename2)
    return ["exception", name, message, *map(_plain, arguments)]


def _plain(argument: object) -> object:
    """
    An argument of an exception, or what it looks like.
    """
    return argument if isinstance(argument, _PLAIN) else repr(argument)


def _datetimeMade(words: str, fold: int = 0) -> datetime:
    """
    A time of a day, which may be the second of its name.
    """
    return datetime.fromisoformat(words).replace(fold=fold)


_MAKERS: Mapping[str, Callable[..., object]] = {
    "tuple": lambda *items: items,
    "frozenset": lambda *items: frozenset(items),
    "datetime": _datetimeMade,
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
    CBOR has only those with a time zone, which is a whole number of minutes off.
    """
    offset = value.utcoffset()
    if offset is not None and not (offset % timedelta(minutes=1) or value.fold):
        encoder.encode_datetime(value)
    else:
        parts = ["datetime", value.isoformat(), *[1] * value.fold]
        encoder.encode_semantic(_OBJECT_TAG, parts)


def _encodeDecimal(encoder: Any, value: Decimal) -> None:
    """
    CBOR has only finite ones.
    """
    if value.is_finite():
        encoder.encode_decimal(value)
    else:
        encoder.encode_semantic(_OBJECT_TAG, ["Decimal", str(value)])


def _encodeMember(encoder: Any, value: Enum) -> None:
    """
    A member of an enumeration is its value, as in JSON.
    """
    encoder.encode(value.value)


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


_LEFT_TO_THE_LIBRARY = (
    *(str, bytes, bytearray, int, float, complex, type(None)),
    *(date, Fraction, UUID),
    *(IPv4Address, IPv4Interface, IPv4Network),
    *(IPv6Address, IPv6Interface, IPv6Network),
)
"""
It would write others that it, or we, do not read.
"""


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
        What is derived from a container is encoded as that, and a member of an
        enumeration as its value.
        """
        for base in (list, dict, tuple, set, frozenset):
            if issubclass(kind, base):
                return self[base]
        if issubclass(kind, Enum):
            return _encodeMember
        if issubclass(kind, _LEFT_TO_THE_LIBRARY):
            raise KeyError(kind)
        return _ENCODERS.get(kind, _encodeOther)

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
