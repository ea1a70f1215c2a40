"""
The two things that either side does with a descriptor it was sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def inodeOf(descriptor: int) -> int:
    """
    What identifies an open socket in every process that has a descriptor of it.
    """
    return os.fstat(descriptor).st_ino


def closeAll(descriptors: Iterable[int]) -> None:
    """
    Close descriptors that nobody is going to use.
    """
    for descriptor in descriptors:
        os.close(descriptor)
