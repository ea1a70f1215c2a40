"""
What cases about addresses have in common: finding one that is free.
"""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.error import CannotListenError


def freePort(family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> int:
    """
    @return: A number that nobody uses at the moment, whatever the interface.
    """
    with socket.socket(family, kind) as free:
        free.bind(("", 0))
        number: int = free.getsockname()[1]
    return number


def freePorts(count: int, kind: int = socket.SOCK_STREAM) -> list[int]:
    """
    @return: Several numbers that nobody uses, different ones.
    """
    sockets = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    for free in sockets:
        free.bind(("", 0))
    numbers = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return numbers


def refusal(listen: Any, *arguments: Any, **named: Any) -> str:
    """
    Try to listen.

    @return: The name of the error; empty if there was none.
    """
    try:
        listen(*arguments, **named)
    except CannotListenError as e:
        number = e.socketError.errno
        assert number is not None
        return errno.errorcode[number]
    return ""
