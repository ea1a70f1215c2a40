"""
Messages for tests of codecs.
"""

from __future__ import annotations

from datetime import timezone
from typing import Any

from hypothesis import strategies as st

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
