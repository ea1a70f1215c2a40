"""
Tests of L{twisted_cluster._run.cpucount}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from unittest import TestCase

from twisted_cluster._run.cpucount import CPUCount, countWorkers

V2_MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
V1_MOUNTS = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
V1_GROUPS = "5:cpuset:/\n4:cpu,cpuacct:/app\n1:name=systemd:/init\n0::/init\n"


def count(
    files: Mapping[str, str], usable: int = 8, present: int | None = None
) -> CPUCount:
    """
    Count with these files and nothing else.
    """
    return countWorkers(files.get, usable, usable if present is None else present)


def v2(group: str, mounts: str = V2_MOUNTS, **limits: str) -> dict[str, str]:
    """
    The files of a process in a group of the second version.

    @param limits: What is in C{cpu.max}, by the directory's name with C{_} for
        each slash.
    """
    files = {"/proc/self/cgroup": f"0::{group}\n", "/proc/self/mountinfo": mounts}
    for directory, content in limits.items():
        files[f"/sys/fs/cgroup{directory.replace('_', '/')}/cpu.max"] = content
    return files


def v1(quota: str, period: str = "100000\n") -> dict[str, str]:
    """
    The files of a process in a group of the first version.
    """
    directory = "/sys/fs/cgroup/cpu,cpuacct/app"
    return {
        "/proc/self/cgroup": V1_GROUPS,
        "/proc/self/mountinfo": V1_MOUNTS,
        f"{directory}/cpu.cfs_quota_us": quota,
        f"{directory}/cpu.cfs_period_us": period,
    }


class CountWorkersTests(TestCase):
    """
    Tests of L{countWorkers}.
    """

    def test_noLimit(self) -> None:
        """
        Without limits there is a worker for each CPU.
        """
        self.assertEqual(
            count({}),
            CPUCount(workers=8, reason="8 CPUs, there is no cgroup quota: 8 workers"),
        )

    def test_affinity(self) -> None:
        """
        CPUs that the process may not use do not count.
        """
        self.assertEqual(
            count({}, usable=1, present=8),
            CPUCount(
                workers=1,
                reason="1 of 8 CPUs may be used (affinity), "
                "there is no cgroup quota: 1 worker",
            ),
        )

    def test_affinityAndQuota(self) -> None:
        """
        The smaller of the two counts, and both are named.
        """
        files = v2("/app", _app="150000 100000\n")
        self.assertEqual(
            count(files, usable=2, present=8),
            CPUCount(
                workers=2,
                reason="2 of 8 CPUs may be used (affinity), "
                "the cgroup quota allows 1.5: 2 workers",
            ),
        )

    def test_quotaAboveCPUs(self) -> None:
        """
        A quota of more than there is adds nothing.
        """
        self.assertEqual(count(v2("/", **{"": "900000 100000"}), 4).workers, 4)

    def test_quotaIsRoundedUp(self) -> None:
        """
        A part of a CPU is a worker, a small part too.
        """
        for quota, workers in [("1000", 1), ("200000", 2), ("200001", 3)]:
            files = v2("/app", _app=f"{quota} 100000\n")
            self.assertEqual(count(files).workers, workers)

    def test_smallestOfAllParents(self) -> None:
        """
        A group cannot use more than those around it.
        """
        files = v2(
            "/a/b/c",
            _a="400000 100000",
            _a_b="150000 50000",
            _a_b_c="max 100000",
        )
        self.assertEqual(count(files).workers, 3)
        files["/sys/fs/cgroup/a/b/c/cpu.max"] = "10000 100000"
        self.assertEqual(count(files).workers, 1)
        files["/sys/fs/cgroup/a/b/c/cpu.max"] = "max 100000"
        files["/sys/fs/cgroup/cpu.max"] = "200000 100000"
        self.assertEqual(count(files).workers, 2)

    def test_otherGroupsDoNotCount(self) -> None:
        """
        Only the groups that the process is in limit it.
        """
        self.assertEqual(count(v2("/a/b", _a_c="100000 100000")).workers, 8)

    def test_noMounts(self) -> None:
        """
        If the mounts cannot be read the usual places are tried.
        """
        files = v2("/app", _app="200000 100000")
        del files["/proc/self/mountinfo"]
        self.assertEqual(count(files).workers, 2)
        self.assertEqual(
            count(
                {
                    "/proc/self/cgroup": "1:cpu:/\n",
                    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",
                    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                }
            ).workers,
            3,
        )

    def test_containerWithPartOfTheTree(self) -> None:
        """
        A container can see the names of the whole machine's groups, and have
        only its own mounted.
        """
        mounts = V2_MOUNTS.replace("0:26 / ", "0:26 /docker/x ")
        for group in ("/docker/x", "/docker/x/inner", "/../other", "/elsewhere"):
            files = v2(group, mounts, **{"": "200000 100000"})
            self.assertEqual((group, count(files).workers), (group, 2))
        files = v2("/docker/x/inner", mounts, _inner="100000 100000")
        self.assertEqual(count(files).workers, 1)

    def test_outsideOfTheNamespace(self) -> None:
        """
        The name of a group that is outside of what can be seen leads nowhere
        else in the file system.
        """
        files = v2("/../other", **{"": "400000 100000", "_.._other": "100000 100000"})
        self.assertIn("/sys/fs/cgroup/../other/cpu.max", files)
        self.assertEqual(count(files).workers, 4)

    def test_firstVersion(self) -> None:
        """
        The first version of control groups is understood, and its parents.
        """
        self.assertEqual(count(v1("250000\n")).workers, 3)
        files = v1("-1\n")
        self.assertEqual(count(files).workers, 8)
        parent = "/sys/fs/cgroup/cpu,cpuacct"
        files[f"{parent}/cpu.cfs_quota_us"] = "500000"
        files[f"{parent}/cpu.cfs_period_us"] = "100000"
        self.assertEqual(count(files).workers, 5)

    def test_nonsense(self) -> None:
        """
        What cannot be understood is no limit.
        """
        for content in ["", "max", "many 100000", "100000 0", "1 2 3", "0 100000"]:
            self.assertEqual(count(v2("/app", _app=content)).workers, 8)
        self.assertEqual(count(v1("100000", period="")).workers, 8)
        files = v2("/app", mounts="what\nis - this\n", _app="100000 100000")
        self.assertEqual(count(files).workers, 8)

    def test_atLeastOne(self) -> None:
        """
        There is always a worker.
        """
        self.assertEqual(count({}, usable=0, present=0).workers, 1)

    def test_thisMachine(self) -> None:
        """
        By default the real machine is asked.
        """
        counted = countWorkers()
        self.assertGreaterEqual(counted.workers, 1)
        self.assertLessEqual(counted.workers, os.cpu_count() or 1)

    def test_noAffinity(self) -> None:
        """
        Where there is no affinity all CPUs may be used.
        """
        if hasattr(os, "sched_getaffinity"):
            original = os.sched_getaffinity
            del os.sched_getaffinity
            self.addCleanup(setattr, os, "sched_getaffinity", original)
        self.assertEqual(countWorkers(lambda path: None, present=7).workers, 7)
