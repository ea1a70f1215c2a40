"""
The argument types that AMP does not have itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from twisted.protocols.amp import Argument

from twisted_cluster._wire.boxes import Box
from twisted_cluster.errors import MalformedBox


class CarriesDescriptors(Protocol):
    """
    What L{Descriptors} needs of the channel that its box travels on.
    """

    def attachDescriptors(self, descriptors: Sequence[int]) -> None:
        """
        Send these with the next box.
        """

    def claimDescriptors(self) -> list[int]:
        """
        Take those that came with this box; the caller owns them.
        """


class Numbers(Argument):
    """
    A list of unsigned integers of up to 64 bits, eight bytes each.
    """

    def fromString(self, inString: bytes) -> tuple[int, ...]:
        """
        @raise MalformedBox: if the bytes are no whole number of integers.
        """
        count, rest = divmod(len(inString), 8)
        if rest:
            raise MalformedBox(f"{len(inString)} bytes for a list of numbers")
        return struct.unpack(f"!{count}Q", inString)

    def toString(self, inObject: Sequence[int]) -> bytes:
        """
        @raise struct.error: if one of them has more than 64 bits or is negative.
        """
        return struct.pack(f"!{len(inObject)}Q", *inObject)


class Descriptors(Argument):
    """
    File descriptors, which travel beside the box; the box says how many.

    It has to be named C{descriptors}: by that key a channel knows that a box,
    even of a command that it does not know, has a group of descriptors.

    A list that arrives may be shorter than the one that was sent, down to
    empty, if the receiving process had no room for them.  The responder that
    is given the list owns what is in it.
    """

    def toBox(
        self,
        name: bytes,
        strings: Box,
        objects: dict[str, Any],
        proto: CarriesDescriptors,
    ) -> None:
        """
        Write the number into the box, and leave the rest to the channel.
        """
        descriptors = objects.get(name.decode("ascii"))
        if descriptors is not None:
            strings[name] = b"%d" % (len(descriptors),)
            proto.attachDescriptors(descriptors)

    def fromBox(
        self,
        name: bytes,
        strings: Box,
        objects: dict[str, Any],
        proto: CarriesDescriptors,
    ) -> None:
        """
        Take what arrived with the box.
        """
        if name in strings:
            objects[name.decode("ascii")] = proto.claimDescriptors()
        elif self.optional:
            objects[name.decode("ascii")] = None
        else:
            raise MalformedBox("the descriptors are missing")


def carriesDescriptors(arguments: Iterable[tuple[bytes, Argument]]) -> bool:
    """
    Whether descriptors are among the arguments of a command, or of its response.
    """
    return any(isinstance(kind, Descriptors) for _, kind in arguments)
