"""
Messages as JSON.

The standard library knows JSON; orjson, if it is installed, puts most messages into
bytes in a seventh of the time.  Which of the two does it makes no difference to what
arrives.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from enum import Enum
from gc import get_referents
from json import encoder as jsonEncoder
from typing import Any, NoReturn, cast
from uuid import UUID

LONG = 8192
"""How many characters make a string, or a message, a long one."""

_Encode = Callable[[object, int], Iterable[str]]


def _inOtherWords(value: object) -> object:
    """
    What JSON has no words for, in those that orjson uses.

    @raise TypeError: if it has none either.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
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
            default=_inOtherWords,
        )
        return lambda message, _: [slow.encode(message)]
    words = (
        jsonEncoder.encode_basestring_ascii
        if ensureASCII
        else jsonEncoder.encode_basestring
    )
    if long:
        words = _quoteLong
    fast: _Encode = make(
        None, _inOtherWords, words, None, ":", ",", False, False, False
    )
    return fast


class JSONCodec:
    """
    Messages as JSON in UTF-8, by the standard library.

    @ivar _toPieces: The encoder that is the faster one for messages like the last.
    """

    def __init__(self) -> None:
        self._toPieces = self._usual = _encoder(ensureASCII=False)
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
            if self._toPieces is not self._usual or len(text) >= LONG:
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


_PLAIN = frozenset({str, int, bool})
_SCALARS = _PLAIN | {float, type(None)}
_CONTAINERS = frozenset({list, dict, tuple})
_DEEP = 200
_MANY = 1 << 20
"""
How deep, and with how many values in one level, a message may be that orjson is given;
the standard library is asked about the others.
"""


def _isShallow(message: object) -> bool:
    """
    Whether orjson can be trusted with a message.  It sees to it that lists and
    dictionaries are not too deep inside each other, but follows tuples until the
    process has no more stack, and crashes.

    One level of containers after the other, in C: this must cost less than orjson
    saves.
    """
    level: Collection[Any]
    if isinstance(message, dict):
        level = message.values()
    elif isinstance(message, (list, tuple)):
        level = message
    else:
        return True
    for _ in range(_DEEP):
        if _SCALARS.issuperset(map(type, level)):
            return True
        if len(level) > _MANY:
            return False
        level = get_referents(*[each for each in level if type(each) in _CONTAINERS])
    return False


class QuickJSONCodec(JSONCodec):
    """
    The same, by orjson where that comes to the same.

    Not for reading: it takes an integer of more than 64 bits for a float.
    """

    def __init__(self) -> None:
        """
        @raise ImportError: if it is not installed.
        """
        super().__init__()
        import orjson

        self._quickly = orjson.dumps
        # It would do with these what the standard library does not.
        self._options = (
            orjson.OPT_PASSTHROUGH_DATACLASS
            | orjson.OPT_PASSTHROUGH_DATETIME
            | orjson.OPT_PASSTHROUGH_SUBCLASS
            | orjson.OPT_APPEND_NEWLINE
        )

    def encode(self, message: object) -> bytes:
        """
        A message as JSON.
        """
        # Most messages are: neither deep, nor with anything that becomes null.
        isPlain = type(message) is dict and _PLAIN.issuperset(
            map(type, message.values())
        )
        if not (isPlain or _isShallow(message)):
            return super().encode(message)
        try:
            content = self._quickly(message, None, self._options)
        except TypeError:
            # The other one knows more, or says better why not.
            return super().encode(message)
        if not isPlain and content.find(b"null") >= 0:
            # That is None, or NaN, which only the other one refuses.  (To find takes
            # half as long as "in".)
            return super().encode(message)
        # A copy: what orjson returns takes kilobytes, however short it is, and may
        # wait for long.  The line's end is there to make it one.
        return content[:-1]


def jsonCodec() -> JSONCodec:
    """
    The quicker codec that there is.
    """
    try:
        return QuickJSONCodec()
    except ImportError:
        return JSONCodec()
