"""
Tests for L{twisted_cluster._run.interpreter}.
"""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._run.interpreter import (
    SYS_PATH_VARIABLE,
    interpreterFlags,
    takeSysPath,
    workerEnvironment,
)

REPORT = (
    "import sys; from twisted_cluster._run.interpreter import *; "
    "print(currentInterpreterFlags())"
)


class InterpreterFlagsTests(SynchronousTestCase):
    """
    Tests for L{interpreterFlags}.
    """

    def test_none(self) -> None:
        """
        An interpreter without options has none to pass on.
        """
        self.assertEqual(interpreterFlags(SimpleNamespace()), ())

    def test_repeated(self) -> None:
        """
        An option that counts is repeated.
        """
        flags = SimpleNamespace(optimize=2, dont_write_bytecode=1)
        self.assertEqual(interpreterFlags(flags), ("-OO", "-B"))

    def test_isolated(self) -> None:
        """
        C{-I} is passed on without the options that it implies.
        """
        flags = SimpleNamespace(
            isolated=1, no_user_site=1, ignore_environment=1, safe_path=True
        )
        self.assertEqual(interpreterFlags(flags), ("-I",))

    def test_safePath(self) -> None:
        """
        C{-P} is passed on.
        """
        self.assertEqual(interpreterFlags(SimpleNamespace(safe_path=True)), ("-P",))

    def test_real(self) -> None:
        """
        What a real interpreter was given is what it passes on.
        """
        flags = ("-O", "-b", "-Wignore::UserWarning", "-Xutf8", "-Xdev=1")
        shown = subprocess.run(
            [sys.executable, *flags[:3], "-X", "utf8", "-X", "dev=1", "-c", REPORT],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for flag in flags:
            self.assertIn(repr(flag), shown)


class WorkerEnvironmentTests(SynchronousTestCase):
    """
    Tests for L{workerEnvironment} and L{takeSysPath}.
    """

    def test_pythonPath(self) -> None:
        """
        Relative entries of C{PYTHONPATH} keep their meaning in any directory.
        """
        environment = workerEnvironment({"PYTHONPATH": "a:/b:"}, [], "/here")
        self.assertEqual(environment["PYTHONPATH"], "/here/a:/b:/here/")

    def test_noPythonPath(self) -> None:
        """
        No C{PYTHONPATH} is made where there is none.
        """
        self.assertNotIn("PYTHONPATH", workerEnvironment({}, [], "/here"))

    def test_others(self) -> None:
        """
        All other variables are passed on, and the primary's are not changed.
        """
        given = {"LANG": "C", "PYTHONPATH": "a"}
        self.assertEqual(workerEnvironment(given, [], "/here")["LANG"], "C")
        self.assertEqual(given, {"LANG": "C", "PYTHONPATH": "a"})

    def test_sysPath(self) -> None:
        """
        A worker can take the primary's C{sys.path}, once; what the worker itself
        starts does not see it.
        """
        environment = workerEnvironment({}, ["", "/with:colon"], "/here")
        self.assertIn(SYS_PATH_VARIABLE, environment)
        self.assertEqual(takeSysPath(environment), ["/here/", "/with:colon"])
        self.assertEqual(environment, {})
        self.assertIsNone(takeSysPath(environment))
