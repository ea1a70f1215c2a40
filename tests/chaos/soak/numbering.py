"""
The number of a connection, in its address.

Every connection of a run has an address of its own in 127.0.0.0/8, so a worker
knows its number as soon as it has it, before it has read a byte.
"""

from __future__ import annotations

_FIRST_PORT = 20_000
_PORTS = 40_000
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
