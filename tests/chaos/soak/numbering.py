"""
The number of a connection, in its address; and what it does, in its number.

Every connection of a run has an address of its own in 127.0.0.0/8, so a worker
knows its number as soon as it has it, before it has read a byte.
"""

from __future__ import annotations

from enum import Enum

# Not the ports that the kernel chooses for others.
_FIRST_PORT = 20_000
_PORTS = 12_000
_HOSTS = 250

LIMIT = _PORTS * _HOSTS * _HOSTS
"""
How many numbers there are.
"""


def sourceOf(number: int) -> tuple[str, int]:
    """
    The address that a connection has to come from.
    """
    block, port = divmod(number, _PORTS)
    high, low = divmod(block, _HOSTS)
    return f"127.100.{high}.{low + 1}", _FIRST_PORT + port


def numberOf(host: str, port: int) -> int | None:
    """
    The number of the connection from an address; C{None} if it has none, as
    that of a client which has gone.
    """
    if not host.startswith("127.100."):
        return None
    _, _, high, low = host.split(".")
    return (int(high) * _HOSTS + int(low) - 1) * _PORTS + port - _FIRST_PORT


class Manner(Enum):
    """
    What is special about a connection.
    """

    PROMPT = 0
    """Nothing."""
    SLOW = 1
    """It is answered late."""
    GREETED = 2
    """The server speaks first."""
    LATE = 3
    """The client sends late."""
    GIVEN_UP = 4
    """The client gives up as soon as it is connected."""
    GIVEN_UP_LATE = 5
    """The client gives up a little later, and has not sent anything."""


# Of a prime number, so that it has nothing to do with whose turn it is.
_MANNERS = [
    *[Manner.SLOW] * 8,
    *[Manner.GREETED] * 15,
    *[Manner.LATE] * 12,
    Manner.GIVEN_UP,
    Manner.GIVEN_UP_LATE,
    *[Manner.PROMPT] * 64,
]


def mannerOf(number: int) -> Manner:
    """
    What a connection does; the same in every run.
    """
    return _MANNERS[number % len(_MANNERS)]
