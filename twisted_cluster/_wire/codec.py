"""
What makes bytes of messages, and messages of bytes.
"""

from __future__ import annotations

from typing import Protocol


class Codec(Protocol):
    """
    How messages become bytes.
    """

    def encode(self, message: object) -> bytes:
        """
        @raise TypeError: if messages cannot be of this type, or contain it.
        @raise ValueError: if they cannot contain this value.
        """

    def decode(self, content: bytes) -> object:
        """
        @raise ValueError: if this is no message.
        """

    def decodeAll(self, contents: list[bytes]) -> list[object]:
        """
        @raise ValueError: if one of them is no message.
        """
