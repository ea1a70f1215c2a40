"""
Tests of L{twisted_cluster.settings}.
"""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from attrs.exceptions import FrozenInstanceError
from twisted.internet.task import Clock
from twisted.runner.procmon import ProcessMonitor

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.settings import (
    ClusterSettings,
    HandoffSettings,
    SchedulingPolicy,
    SupervisionSettings,
    WorkerProgram,
)

PROGRAM = WorkerProgram(arguments=("-m", "x"), environment={})


class SupervisionSettingsTests(TestCase):
    """
    Tests of L{SupervisionSettings}.
    """

    def test_asProcmon(self) -> None:
        """
        The values are procmon's, if nothing is said.
        """
        procmon = ProcessMonitor(Clock())  # type: ignore[arg-type]
        ours = SupervisionSettings()
        for name in ("threshold", "killTime", "minRestartDelay", "maxRestartDelay"):
            self.assertEqual(getattr(ours, name), getattr(procmon, name), name)

    def test_invalid(self) -> None:
        """
        No time is negative, and a delay that is doubled is not 0.
        """
        wrongs: list[dict[str, float]] = [
            {"threshold": -1},
            {"killTime": -0.1},
            {"minRestartDelay": 0},
            {"minRestartDelay": -1},
        ]
        for wrong in wrongs:
            with self.assertRaises(ValueError):
                SupervisionSettings(**wrong)

    def test_delaysInOrder(self) -> None:
        """
        The longest delay is not shorter than the shortest; both are named.
        """
        with self.assertRaisesRegex(
            ConfigurationError, r"maxRestartDelay \(2 s\).*minRestartDelay \(3 s\)"
        ):
            SupervisionSettings(minRestartDelay=3, maxRestartDelay=2)
        SupervisionSettings(minRestartDelay=3, maxRestartDelay=3)


class HandoffSettingsTests(TestCase):
    """
    Tests of L{HandoffSettings}.
    """

    def test_invalid(self) -> None:
        """
        There has to be room for one connection at least.
        """
        wrongs: list[tuple[dict[str, Any], type[Exception]]] = [
            ({"queueLimit": 0}, ValueError),
            ({"window": 0}, ValueError),
            ({"queueLimit": 1.5}, TypeError),
            ({"window": None}, TypeError),
        ]
        for wrong, error in wrongs:
            with self.assertRaises(error):
                HandoffSettings(**wrong)
        HandoffSettings(queueLimit=1, window=1)


class ClusterSettingsTests(TestCase):
    """
    Tests of L{ClusterSettings}.
    """

    def test_usual(self) -> None:
        """
        What is not said has a usual value.
        """
        settings = ClusterSettings(program=PROGRAM)
        self.assertEqual(settings.workers, 1)
        self.assertIs(settings.policy, SchedulingPolicy.RR)
        self.assertEqual(settings.supervision, SupervisionSettings())
        self.assertEqual(settings.handoff, HandoffSettings())

    def test_invalid(self) -> None:
        """
        There is no negative number of workers, and a policy is one of those
        that there are.
        """
        wrongs: list[tuple[dict[str, Any], type[Exception]]] = [
            ({"workers": -1}, ValueError),
            ({"workers": "auto"}, TypeError),
            ({"policy": "rr"}, TypeError),
        ]
        for wrong, error in wrongs:
            with self.assertRaises(error):
                ClusterSettings(program=PROGRAM, **wrong)
        ClusterSettings(program=PROGRAM, workers=0)

    def test_frozen(self) -> None:
        """
        Settings do not change.
        """
        settings: Any = ClusterSettings(program=PROGRAM)
        with self.assertRaises(FrozenInstanceError):
            settings.workers = 2

    def test_policyNames(self) -> None:
        """
        Policies are named as Node names them.
        """
        self.assertEqual([policy.value for policy in SchedulingPolicy], ["rr", "none"])
