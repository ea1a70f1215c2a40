"""
A short soak of every test run; L{tests.chaos.soak} says how to have a long one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TIMEOUT = 400
"""
Seconds that it may take.  It takes a little more than one minute, and longer only
where something hangs, or the machine does.
"""


def test_short() -> None:
    """
    Under load and every kind of fault, nothing becomes of any connection that must
    not, and nothing is left in the primary.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.soak", "--minutes", "0.9", "--seed", "4"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"\n{done.stdout}\n{done.stderr}"
