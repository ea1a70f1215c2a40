"""
What the kernel tells of a process: its descriptors, memory and children.

Linux only.
"""

from __future__ import annotations

import os
from pathlib import Path

from attrs import frozen

_PAGE = os.sysconf("SC_PAGE_SIZE")


@frozen
class Reading:
    """
    What a process has.

    @ivar descriptors: How many are open.
    @ivar children: How many processes of its own there are.
    @ivar memory: How much of it is in memory, in bytes.
    """

    descriptors: int
    children: int
    memory: int

    def isLike(self, other: Reading) -> bool:
        """
        Whether nothing was opened or started between the two.
        """
        return (self.descriptors, self.children) == (other.descriptors, other.children)


def read(pid: int) -> Reading:
    """
    Look at a process.

    @raise OSError: if there is none.
    """
    return Reading(
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        children=len(childrenOf(pid)),
        memory=memoryOf(pid),
    )


def childrenOf(pid: int) -> list[int]:
    """
    The processes that a process started, those that nobody has waited for yet
    included.
    """
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, task.read_text().split())
    return found


def memoryOf(pid: int) -> int:
    """
    How much memory of a process is in use, in bytes.
    """
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def sessionMembers(session: int) -> list[int]:
    """
    The processes of a session that have not ended.
    """
    members = []
    for each in Path("/proc").iterdir():
        if not each.name.isdigit():
            continue
        try:
            fields = (each / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] not in "ZX":
            members.append(int(each.name))
    return members
