"""
Workers that end at once, a few dozen; L{tests.chaos.restarts} has them by the
thousands.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def restarts(count: int, *options: str) -> tuple[int, str]:
    """
    Run them.

    @return: The exit status, and what was printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.restarts", f"--count={count}", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout


def test_flat() -> None:
    """
    The primary does not grow.
    """
    status, output = restarts(60)
    assert status == 0, f"\n{output}"


def test_leakingMemory() -> None:
    """
    One object more for each worker would be noticed.
    """
    status, output = restarts(10, "--leak=memory")
    assert (status, "objects more" in output) == (1, True), f"\n{output}"


def test_leakingDescriptors() -> None:
    """
    So would one descriptor more.
    """
    status, output = restarts(10, "--leak=descriptors")
    assert (status, "descriptors changes" in output) == (1, True), f"\n{output}"
