"""
What the values of options mean: from words to numbers, with messages that say what
would do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from twisted.python.usage import UsageError
from twisted.python.util import gidFromString, uidFromString

AUTO = "auto"
"""Stands for as many workers as this process may use CPUs."""


def workerCount(text: str) -> int | str:
    """
    A number of workers, or L{AUTO}.

    @raise ValueError: if it is none, with what would be one.
    """
    if text == AUTO:
        return text
    return _fromOne(text, f"give a whole number of workers, from 1, or {AUTO}")


def positive(text: str) -> int:
    """
    A number of things, at least one.

    @raise ValueError: if it is none, with what would be one.
    """
    return _fromOne(text, "give a whole number, from 1")


def _fromOne(text: str, advice: str) -> int:
    """
    @raise ValueError: if this is no number, or less than 1.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"{advice}: {text!r}")
    return number


def seconds(text: str) -> float:
    """
    A time.

    @raise ValueError: if it is none, with what would be one.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"give a number of seconds: {text!r}")
    return number


def firstDelay(text: str) -> float:
    """
    Like L{seconds}; but someone may have meant Python's C{-m}.
    """
    if re.fullmatch(r"[^\W\d]\w*(\.\w+)*", text):
        raise ValueError(
            f"give a number of seconds: {text!r}; to run a module, write -- before it: "
            f"-- -m {text}"
        )
    number = seconds(text)
    if number == 0:
        raise ValueError("give more than 0 seconds")
    return number


def user(text: str) -> int:
    """
    A user's number, from it or from a name.

    @raise ValueError: if it is none, with what would be one.
    """
    try:
        return int(uidFromString(text))
    except (KeyError, ValueError):
        raise ValueError(f"there is no user {text!r}") from None


def group(text: str) -> int:
    """
    A group's number, likewise.

    @raise ValueError: if it is none, with what would be one.
    """
    try:
        return int(gidFromString(text))
    except (KeyError, ValueError):
        raise ValueError(f"there is no group {text!r}") from None


def reading(option: str, read: Callable[[str], object]) -> Callable[[str], object]:
    """
    Have a message about a wrong value begin with the option's name.
    """

    def coerce(text: str) -> object:
        try:
            return read(text)
        except ValueError as problem:
            raise UsageError(f"--{option}: {problem}") from problem

    return coerce
