"""
What either side does with a descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def inodeOf(descriptor: int) -> int:
    """
    What identifies an open socket in every process that has a descriptor of it.
    """
    return os.fstat(descriptor).st_ino


def isSame(one: int, other: int) -> bool:
    """
    Whether two descriptors are of one socket; not if one of them is of nothing.
    """
    try:
        return inodeOf(one) == inodeOf(other)
    except OSError:
        return False


def closeAll(descriptors: Iterable[int]) -> None:
    """
    Close descriptors that nobody is going to use.
    """
    for descriptor in descriptors:
        os.close(descriptor)
