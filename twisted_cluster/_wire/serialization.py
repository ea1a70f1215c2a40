"""
How an application's messages become bytes.

Both sides have to use the same codec.  Either raises when a message is sent, not
when it arrives: C{TypeError} for a type and C{ValueError} for a value that it
cannot carry.

C{json} carries what JSON does, for which it needs nothing and is the faster one:

  - C{None}, C{bool}, C{int} of up to 4300 digits, C{float}, C{str}, lists and
    dictionaries, and their subclasses as these;
  - tuples, which arrive as lists, members of enumerations, which arrive as their
    values, and C{UUID}s, which arrive as their text;
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

from collections.abc import Callable, Mapping

from twisted_cluster._wire.cborcodec import AdvancedCodec
from twisted_cluster._wire.codec import Codec
from twisted_cluster._wire.jsoncodec import jsonCodec
from twisted_cluster.errors import ConfigurationError

codecs: Mapping[str, Callable[[], Codec]] = {
    "json": jsonCodec,
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
