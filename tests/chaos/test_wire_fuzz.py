"""
Hostile bytes, for some seconds; C{python -m tests.chaos.fuzz} goes on for longer.
"""

from __future__ import annotations

import os
import subprocess
import sys

import tests

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(tests.__file__)))


class TestFuzz:
    """
    Whatever the other side says, a channel is closed, or what it said is refused:
    nothing is raised, nothing grows, no descriptor is left open or closed twice, and
    the other workers go on.
    """

    def test_fixedSeed(self) -> None:
        """
        The same bytes in each run.
        """
        result = subprocess.run(
            [
                *(sys.executable, "-m", "tests.chaos.fuzz"),
                *("--seed", "4", "--boxes", "100000", "--seconds", "12"),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stdout
        assert ": 0 findings" in result.stdout
