"""
Runs every case on every reactor, and prints how many pass.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.conformance.programs import REACTOR_VARIABLE, REACTORS

HERE = Path(__file__).parent


def run(reactor: str) -> bool:
    """
    Run every case on one reactor.

    @return: Whether all pass.
    """
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", f"{HERE}"]
    # These are on reactors of their own.
    command += ["--ignore", f"{HERE / 'test_reactors.py'}"]
    tests = subprocess.run(
        command,
        env={**os.environ, REACTOR_VARIABLE: reactor},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    counts = ", ".join(
        f"{match[1]} {match[2]}"
        for match in re.finditer(
            r"(\d+) (passed|failed|skipped|errors?)", tests.stdout.splitlines()[-1]
        )
    )
    took = time.monotonic() - started
    sys.stdout.write(f"{reactor:8} {counts or 'nothing was run'}, in {took:.0f} s\n")
    if tests.returncode:
        sys.stdout.write(tests.stdout)
    sys.stdout.flush()
    return tests.returncode == 0


def main() -> None:
    """
    Run what the command line says.

    @raise SystemExit: with 1, if something fails.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.reactors", description=__doc__
    )
    parser.add_argument("reactors", nargs="*", metavar="REACTOR", default=REACTORS)
    reactors = parser.parse_args().reactors
    unknown = set(reactors).difference(REACTORS)
    if unknown:
        parser.error(f"there is no {min(unknown)}; there are {', '.join(REACTORS)}")
    # All of them, also when one fails.
    good = [run(reactor) for reactor in reactors]
    if not all(good):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
