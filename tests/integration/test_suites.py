"""
Twisted's own tests pass in a worker, where every port comes from the primary.

Only a part of them: C{tox run -e suites} runs all.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import tests

TIMEOUT = 120.0
"""
Seconds until it is taken for hanging; it takes a fifth of that.
"""


class TwistedSuitesTests(SynchronousTestCase):
    """
    Tests for what C{python -m tests.suites --fast} runs.
    """

    def test_fastSubset(self) -> None:
        """
        No test differs in a worker from the same test without a cluster, but
        the named exceptions.
        """
        root = os.path.dirname(os.path.dirname(os.path.abspath(tests.__file__)))
        run = subprocess.run(
            [sys.executable, "-m", "tests.suites", "--fast"],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        self.assertEqual((run.returncode, run.stdout.count(" ok,")), (0, 2), run.stdout)
