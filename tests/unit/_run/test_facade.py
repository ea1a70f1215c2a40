"""
Tests of L{twisted_cluster._run.facade}.
"""

from __future__ import annotations

import os
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import twisted_cluster
import twisted_cluster.testing
from twisted_cluster._run import library, role
from twisted_cluster._run.facade import ClusterModule
from twisted_cluster._run.library import Cluster
from twisted_cluster.errors import ConfigurationError, NotAPrimary
from twisted_cluster.settings import POLICY_VARIABLE, SchedulingPolicy
from twisted_cluster.workerapi import Worker


class StoppableClock(Clock):
    """
    As much of a reactor as a cluster without workers needs.
    """

    def addSystemEventTrigger(self, *arguments: Any) -> None:
        """
        It does not stop.
        """


class ModuleTests(SynchronousTestCase):
    """
    Tests of L{ClusterModule}.
    """

    def setUp(self) -> None:
        """
        Make one, with a reactor that is not the global one.
        """
        self.clock = StoppableClock()
        self.module: Any = ClusterModule("cluster")
        self.patch(
            library, "Cluster", lambda **settings: Cluster(self.clock, **settings)
        )

    def test_package(self) -> None:
        """
        The package is such a module.
        """
        self.assertIsInstance(twisted_cluster, ClusterModule)
        self.assertIs(twisted_cluster.SCHED_RR, SchedulingPolicy.RR)
        self.assertIs(twisted_cluster.SCHED_NONE, SchedulingPolicy.NONE)

    def test_primary(self) -> None:
        """
        A process that no primary started is one itself, and looking at it sets
        nothing up.
        """
        self.assertTrue(self.module.isPrimary)
        self.assertTrue(self.module.isMaster)
        self.assertFalse(self.module.isWorker)
        self.assertIsNone(self.module.worker)
        self.assertEqual(self.module.workers, {})
        self.assertEqual(self.module.settings, {})
        self.assertEqual(self.module.ports, [])
        self.assertIsNone(self.module._cluster)

    def test_worker(self) -> None:
        """
        In a worker, there is the worker, and nothing of a primary's: as of what no
        module has, but with words that say why.
        """
        worker: Any = type("W", (), {"id": 7})()
        self.patch(role, "thisWorker", worker)
        self.assertFalse(self.module.isPrimary)
        self.assertFalse(self.module.isMaster)
        self.assertTrue(self.module.isWorker)
        self.assertIs(self.module.worker, worker)
        for name in ("fork", "workers", "ports", "settings"):
            problem = self.assertRaises(NotAPrimary, getattr, self.module, name)
            self.assertEqual(
                str(problem), f"{name} is for primaries, and this is worker 7"
            )
            self.assertFalse(hasattr(self.module, name))
            self.assertNotIn(name, dir(self.module))
        self.assertIn("worker", dir(self.module))

    def test_dir(self) -> None:
        """
        What there is can be listed, which sets nothing up; nothing else is listed but
        the package's modules.
        """
        listed = {name for name in dir(self.module) if name[:2] != "__"}
        self.assertIsNone(self.module._cluster)
        for name in listed - {"SCHED_RR", "SCHED_NONE"}:
            getattr(self.module, name)
        self.assertLess({"fork", "workers", "isPrimary", "Cluster"}, listed)
        self.module.SCHED_RR = self.module._private = None
        self.module.settings_ = twisted_cluster.testing
        now = {name for name in dir(self.module) if name[:2] != "__"}
        self.assertEqual(now - listed, {"settings_"})

    def test_setup(self) -> None:
        """
        By either name, the settings are the process's own cluster's.
        """
        told: list[dict[str, Any]] = []
        self.module.on("setup", told.append)
        self.module.setupPrimary(exec="one.py")
        self.module.setupMaster(args=["x"])
        self.assertEqual(self.module.settings["exec"], "one.py")
        self.assertEqual(self.module.settings["args"], ["x"])
        self.clock.advance(0)
        self.assertEqual(
            [settings["args"] for settings in told], [told[0]["args"], ["x"]]
        )
        self.assertEqual(self.module.workers, {})

    def test_policy(self) -> None:
        """
        The policy can be chosen until the first setup, and no later.
        """
        self.assertIs(self.module.schedulingPolicy, SchedulingPolicy.RR)
        self.module.schedulingPolicy = SchedulingPolicy.NONE
        self.assertIs(self.module.schedulingPolicy, SchedulingPolicy.NONE)
        self.module.setupPrimary()
        with self.assertRaises(ConfigurationError):
            self.module.schedulingPolicy = SchedulingPolicy.RR
        self.assertIs(self.module.schedulingPolicy, SchedulingPolicy.NONE)

    def test_policyFirst(self) -> None:
        """
        To ask for the policy, or to choose it, needs no reactor: programs do so
        before they install one, and before they know which kind of process they
        are.
        """
        self.module.schedulingPolicy = "none"
        self.assertIs(self.module.schedulingPolicy, SchedulingPolicy.NONE)
        with self.assertRaises(ConfigurationError):
            self.module.schedulingPolicy = "nobody"
        self.assertIsNone(self.module._cluster)
        self.module.setupPrimary()
        self.assertIs(self.module._cluster.schedulingPolicy, SchedulingPolicy.NONE)
        with self.assertRaises(ConfigurationError):
            self.module.schedulingPolicy = SchedulingPolicy.RR

    def test_policyOfEnvironment(self) -> None:
        """
        If nobody chooses, the environment does.
        """
        self.patch(os, "environ", {**os.environ, POLICY_VARIABLE: "none"})
        self.assertIs(self.module.schedulingPolicy, SchedulingPolicy.NONE)
        self.assertIsNone(self.module._cluster)

    def test_classes(self) -> None:
        """
        The classes are there, for programs that want no module's state.
        """
        self.assertIs(self.module.Cluster, library.Cluster)
        self.assertIs(self.module.Worker, Worker)

    def test_unknown(self) -> None:
        """
        What there is not is told as of any module.
        """
        problem = self.assertRaises(AttributeError, lambda: self.module.spoon)
        self.assertEqual(str(problem), "module 'cluster' has no attribute 'spoon'")

    def test_oneCluster(self) -> None:
        """
        There is one cluster behind all of it.
        """
        self.assertEqual(
            cast(Any, self.module.fork).__self__,
            cast(Any, self.module.broadcast).__self__,
        )
