"""
Tests of L{twisted_cluster.settings}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import TestCase

from attrs.exceptions import FrozenInstanceError
from twisted.internet.task import Clock
from twisted.runner.procmon import ProcessMonitor

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.permissions import PortPattern
from twisted_cluster.settings import (
    POLICY_VARIABLE,
    ClusterSettings,
    HandoffSettings,
    PortSettings,
    PrimarySettings,
    SchedulingPolicy,
    SupervisionSettings,
    WorkerProgram,
    environmentVariables,
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


class PortSettingsTests(TestCase):
    """
    Tests of L{PortSettings}.
    """

    def test_default(self) -> None:
        """
        Workers may listen on whatever the primary can.
        """
        self.assertIsNone(PortSettings().mayListen)

    def test_patterns(self) -> None:
        """
        Patterns can be given as they are written.
        """
        settings = PortSettings(mayListen=["tcp:80", PortPattern.parse("fd:3")])
        self.assertEqual(
            settings.mayListen,
            (PortPattern.parse("tcp:80"), PortPattern.parse("fd:3")),
        )

    def test_invalid(self) -> None:
        """
        What is no pattern, or no list of them, is refused; and so is no port.
        """
        for wrong in (["80"], "tcp:80", 80):
            with self.assertRaises(ConfigurationError):
                PortSettings(mayListen=wrong)  # type: ignore[arg-type]
        with self.assertRaises(ValueError):
            PortSettings(limit=0)


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


class PrimarySettingsTests(TestCase):
    """
    Tests of L{PrimarySettings}.
    """

    def assertMistake(self, message: str, **settings: Any) -> None:
        """
        These settings cannot work, whether they are new or changes of others.
        """
        for make in (
            lambda: PrimarySettings(**{"exec": "site.py", **settings}),
            lambda: PrimarySettings(exec="site.py").changed(settings),
        ):
            with self.assertRaisesRegex(ConfigurationError, message):
                make()

    def test_defaults(self) -> None:
        """
        Of what is not set, that is shown which has a value.
        """
        self.assertEqual(
            PrimarySettings(exec="site.py").asDictionary(),
            {
                "exec": "site.py",
                "args": [],
                "execArgv": [],
                "silent": False,
                "serialization": "json",
            },
        )

    def test_shown(self) -> None:
        """
        What is set is shown as it was set; the lists are the caller's own.
        """
        given: dict[str, Any] = {
            "exec": "site.py",
            "args": ["--port", "80"],
            "execArgv": ["-O"],
            "cwd": "/srv",
            "silent": True,
            "stdio": ["ignore", "pipe", 2, "inherit"],
            "uid": 0,
            "gid": 0,
            "serialization": "advanced",
        }
        settings = PrimarySettings(**given)
        shown = settings.asDictionary()
        self.assertEqual(shown, given)
        for name in ("args", "execArgv", "stdio"):
            shown[name].append("more")
            given[name].append("less")
        self.assertEqual(settings.args, ("--port", "80"))
        self.assertEqual(settings.execArgv, ("-O",))
        self.assertEqual(settings.stdio, ("ignore", "pipe", 2, "inherit"))

    def test_paths(self) -> None:
        """
        What names a file or a directory may be a path.
        """
        settings = PrimarySettings(exec=Path("/srv/site.py"), cwd=Path("/srv"))
        self.assertEqual((settings.exec, settings.cwd), ("/srv/site.py", "/srv"))

    def test_changed(self) -> None:
        """
        What is not named stays; the settings themselves do not change.
        """
        before = PrimarySettings(exec="site.py", args=["x"], cwd="/srv")
        after = before.changed({"args": ("y", "z"), "cwd": None})
        self.assertEqual(
            (after.exec, after.args, after.cwd), ("site.py", ("y", "z"), None)
        )
        self.assertEqual((before.args, before.cwd), (("x",), "/srv"))
        self.assertEqual(before.changed({}), before)

    def test_unknown(self) -> None:
        """
        A setting that there is not is a mistake; the message says which there
        are.
        """
        with self.assertRaisesRegex(
            ConfigurationError, "no setting 'arg'; there are exec, args, execArgv"
        ):
            PrimarySettings(exec="site.py").changed({"arg": ["x"]})

    def test_streams(self) -> None:
        """
        Workers read and write where the primary does, or, silent, in pipes;
        what is said of each stream counts more.
        """
        settings = PrimarySettings(exec="site.py")
        self.assertEqual(settings.streams(), ("inherit",) * 3)
        silent = settings.changed({"silent": True})
        self.assertEqual(silent.streams(), ("pipe",) * 3)
        each = silent.changed({"stdio": ["ignore", "inherit", 5, "pipe"]})
        self.assertEqual(each.streams(), ("ignore", "inherit", 5, "pipe"))
        self.assertEqual(
            each.changed({"stdio": None, "silent": False}).streams(), ("inherit",) * 3
        )

    def test_wrongStreams(self) -> None:
        """
        A stream that is nothing known, or one that is missing, is a mistake,
        and so is a single word for all.
        """
        self.assertMistake("leave it out", stdio=["pipe", "pipe", "pipe", "ipc"])
        self.assertMistake("stdio has -1", stdio=["pipe", "pipe", -1])
        self.assertMistake("stdio has True", stdio=["pipe", "pipe", True])
        self.assertMistake("stdio has None", stdio=[None, "pipe", "pipe"])
        self.assertMistake(r"\['pipe', 'pipe'\] is too short", stdio=("pipe", "pipe"))
        self.assertMistake(r"\[\] is too short", stdio=[])
        self.assertMistake("stdio has to be a list, not 'pipe'", stdio="pipe")
        self.assertMistake("stdio has to be a list, not 3", stdio=3)

    def test_wrongLists(self) -> None:
        """
        So are arguments that are no list of strings.
        """
        for name in ("args", "execArgv"):
            self.assertMistake("not '--port 80'", **{name: "--port 80"})
            self.assertMistake("not b'x'", **{name: b"x"})
            self.assertMistake("not None", **{name: None})
            mistake = rf"{name} has to be a list of strings, not \[80\]"
            self.assertMistake(mistake, **{name: [80]})
            self.assertMistake(r"strings, not \['a\\x00b'\]", **{name: ["a\0b"]})
            self.assertMistake(r"not \['\\ud800'\]", **{name: ["\ud800"]})
        undecodable = os.fsdecode(b"\xff")
        self.assertEqual(
            PrimarySettings(exec="x.py", args=[undecodable]).args, (undecodable,)
        )

    def test_wrongPaths(self) -> None:
        """
        So is what is no path.
        """
        for wrong in (5, b"site.py", ["site.py"]):
            self.assertMistake("exec has to be a path", exec=wrong)
            self.assertMistake("cwd has to be a path", cwd=wrong)
        self.assertMistake("exec has to be a path, not None", exec=None)
        self.assertMistake(r"cwd has to be a path, not 'a\\x00b'", cwd="a\0b")
        for module in ("-m", "-m "):
            self.assertMistake(f"'-m package.module', not '{module}'", exec=module)

    def test_wrongSerialization(self) -> None:
        """
        So is a serialization that there is not.
        """
        self.assertMistake(
            "no serialization 'pickle'; there are json and advanced",
            serialization="pickle",
        )

    def test_wrongIdentity(self) -> None:
        """
        A user or a group is a number; a name is not, nor is anything else.
        """
        self.assertMistake("uid .* 'www'; pwd.getpwnam finds", uid="www")
        self.assertMistake("gid .* 'www'; grp.getgrnam finds", gid="www")
        self.assertMistake("uid has to be a number, not -1", uid=-1)
        self.assertMistake("uid has to be a number, not True", uid=True)
        for wrong in ((1 << 32) - 1, 1 << 70):
            self.assertMistake(f"gid has to be a number, not {wrong}", gid=wrong)

    def test_wrongSilent(self) -> None:
        """
        Whether something is so cannot be said in words.
        """
        self.assertMistake("silent has to be True or False, not 'no'", silent="no")
        self.assertMistake("silent has to be True or False, not None", silent=None)


class PolicyTests(TestCase):
    """
    Tests of L{SchedulingPolicy}.
    """

    def test_named(self) -> None:
        """
        A policy is known by its name; a policy is its own.
        """
        self.assertIs(SchedulingPolicy.named("none"), SchedulingPolicy.NONE)
        self.assertIs(SchedulingPolicy.named(SchedulingPolicy.RR), SchedulingPolicy.RR)
        wrong: object
        for wrong in ("fair", None, 1, []):
            with self.assertRaisesRegex(ConfigurationError, "give rr or none"):
                SchedulingPolicy.named(wrong)

    def test_environment(self) -> None:
        """
        The environment names one of two, or nothing.
        """
        for value, policy in (
            ({}, SchedulingPolicy.RR),
            ({POLICY_VARIABLE: ""}, SchedulingPolicy.RR),
            ({POLICY_VARIABLE: "rr"}, SchedulingPolicy.RR),
            ({POLICY_VARIABLE: "none"}, SchedulingPolicy.NONE),
        ):
            self.assertIs(SchedulingPolicy.fromEnvironment(value), policy)
        with self.assertRaisesRegex(
            ConfigurationError, f"{POLICY_VARIABLE}: .*'fair': give rr or none"
        ):
            SchedulingPolicy.fromEnvironment({POLICY_VARIABLE: "fair"})


class EnvironmentTests(TestCase):
    """
    Tests of L{environmentVariables}.
    """

    def test_values(self) -> None:
        """
        Numbers and paths become strings; what is C{None} stays so.
        """
        self.assertEqual(
            environmentVariables(
                {"A": "x", "B": 5, "C": 1.5, "D": Path("/srv"), "E": None, "F": ""}
            ),
            {"A": "x", "B": "5", "C": "1.5", "D": "/srv", "E": None, "F": ""},
        )

    def test_mistakes(self) -> None:
        """
        What no environment can contain is refused, by its name.
        """
        wrong: Any
        for wrong in (True, b"x", ["x"], "x\0", "\ud800"):
            with self.assertRaisesRegex(ConfigurationError, "variable WORKER has"):
                environmentVariables({"WORKER": wrong})
        for wrong in ("", "A=B", "A\0", "\ud800", b"A", 5):
            with self.assertRaisesRegex(ConfigurationError, "is no name"):
                environmentVariables({wrong: "x"})
        with self.assertRaisesRegex(ConfigurationError, "not 'A=5'"):
            environmentVariables("A=5")  # type: ignore[arg-type]
