"""
How many workers C{--workers auto} means.

As many as there are processors to run them on, which is less than the machine
has if the process is bound to some of them (C{taskset}, systemd's
C{CPUAffinity}) or if its control group may use only so much time of them
(containers, systemd's C{CPUQuota}).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import PurePosixPath
from typing import TypeAlias

from attrs import frozen

ReadFile: TypeAlias = Callable[[str], "str | None"]
"""
Reads a whole file, or returns C{None} if it cannot.
"""


@frozen(kw_only=True)
class CPUCount:
    """
    A number of workers, and where it comes from.

    @ivar workers: How many; at least one.
    @ivar reason: A sentence for the log.
    """

    workers: int
    reason: str


def countWorkers(
    read: ReadFile | None = None,
    usable: int | None = None,
    present: int | None = None,
) -> CPUCount:
    """
    Count the workers that this process's share of the machine can run.

    @param read: The way to the files of the kernel; by default the real one.
    @param usable: How many CPUs the process may run on; by default, as the
        kernel says.
    @param present: How many CPUs there are; by default, as the kernel says.
    """
    if present is None:
        present = os.cpu_count() or 1
    if usable is None:
        usable = _affinity(present)
    quota = _cgroupQuota(read or _readFile)

    cpus = f"{usable} of {present} CPUs may be used (affinity)"
    if usable == present:
        cpus = _counted(present, "CPU")
    limit = "there is no cgroup quota"
    workers = usable
    if quota is not None:
        limit = f"the cgroup quota allows {quota:.4g}"
        workers = min(usable, ceil(quota))
    workers = max(workers, 1)
    return CPUCount(
        workers=workers, reason=f"{cpus}, {limit}: {_counted(workers, 'worker')}"
    )


def _counted(number: int, noun: str) -> str:
    """
    The noun with its number.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _affinity(present: int) -> int:
    """
    How many CPUs this process may run on.
    """
    # Not on macOS, where there is no such thing.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return present


def _readFile(path: str) -> str | None:
    """
    The real L{ReadFile}.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def _cgroupQuota(read: ReadFile) -> float | None:
    """
    The smallest quota, in CPUs, of this process's control group and those
    around it; C{None} if there is none.  All of them bind: a container's own
    group may well be unlimited inside a limited one.
    """
    quotas = [quotaOf(read, directory) for directory, quotaOf in _groups(read)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _groups(
    read: ReadFile,
) -> Iterator[tuple[str, Callable[[ReadFile, str], float | None]]]:
    """
    The directories of this process's control group and of those around it,
    each with the function that reads its quota.  A machine can have both
    versions mounted, with the cpu controller in either.
    """
    for line in (read("/proc/self/cgroup") or "").splitlines():
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0" and not controllers:
            quotaOf = _quotaV2
        elif "cpu" in controllers.split(","):
            quotaOf = _quotaV1
        else:
            continue
        for root, mountPoint in _mounts(read, isV1=quotaOf is _quotaV1):
            for directory in _upwards(root, mountPoint, path):
                yield directory, quotaOf


def _mounts(read: ReadFile, *, isV1: bool) -> Iterator[tuple[str, str]]:
    """
    Where control groups of this version are mounted: which of its groups is at
    which directory.  In the first version each controller can have a mount of
    its own; those of others hold no files of the cpu controller's.
    """
    mounts = read("/proc/self/mountinfo")
    if mounts is None:
        yield "/", "/sys/fs/cgroup/cpu" if isV1 else "/sys/fs/cgroup"
        return
    for line in mounts.splitlines():
        # id parent device root mountpoint options ... - type source options
        mount, _, system = line.partition(" - ")
        fields, kind = mount.split(), system.partition(" ")[0]
        if len(fields) > 4 and kind == ("cgroup" if isV1 else "cgroup2"):
            yield fields[3], fields[4]


def _upwards(root: str, mountPoint: str, path: str) -> Iterator[str]:
    """
    The directory of the group at C{path}, and its parents' up to what is
    mounted.

    In a container, C{path} can lie outside of what it has mounted; then the
    group at the mount's top is its own.
    """
    group = PurePosixPath(path)
    relative = PurePosixPath()
    if group.is_relative_to(root) and ".." not in group.parts:
        relative = group.relative_to(root)
    for part in [relative, *relative.parents]:
        yield str(PurePosixPath(mountPoint) / part)


def _quotaV2(read: ReadFile, directory: str) -> float | None:
    """
    A group's own quota in CPUs, from C{"150000 100000"} or C{"max 100000"}.
    """
    words = (read(f"{directory}/cpu.max") or "").split()
    return _ratio(*words) if len(words) == 2 else None


def _quotaV1(read: ReadFile, directory: str) -> float | None:
    """
    A group's own quota in CPUs, from two files; -1 is no quota.
    """
    return _ratio(
        read(f"{directory}/cpu.cfs_quota_us") or "",
        read(f"{directory}/cpu.cfs_period_us") or "",
    )


def _ratio(quota: str, period: str) -> float | None:
    """
    How many CPUs a quota of time per period is; C{None} if it is not one.
    """
    try:
        allowed, every = int(quota), int(period)
    except ValueError:
        return None
    return allowed / every if allowed > 0 and every > 0 else None
