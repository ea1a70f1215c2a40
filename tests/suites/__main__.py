"""
Run Twisted's suites inside a worker, and say where they differ.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.suites.catalogue import FAST, SUITES, Suite
from tests.suites.comparing import runSuite


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """
    Read the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.suites", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only what takes seconds")
    parser.add_argument(
        "--directory", type=Path, help="where to leave the output of the runs"
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=", ".join(s.name for s in SUITES)
    )
    options = parser.parse_args(arguments)
    unknown = set(options.suites).difference(suite.name for suite in SUITES)
    if unknown:
        parser.error(f"no such suites: {', '.join(sorted(unknown))}")
    return options


def _chosen(options: argparse.Namespace) -> Sequence[Suite]:
    """
    The suites that were asked for.
    """
    if options.fast:
        return FAST
    return [
        suite for suite in SUITES if not options.suites or suite.name in options.suites
    ]


async def _run(reactor: Any, options: argparse.Namespace) -> None:
    """
    Run them one after the other.

    @raise SystemExit: with 1, if something differs.
    """
    directory = options.directory or Path(tempfile.mkdtemp(prefix="suites-"))
    good = True
    for suite in _chosen(options):
        report = await runSuite(reactor, suite, directory.absolute() / suite.name)
        print(*report.lines(), sep="\n", flush=True)
        good = good and report.isGood
    if good and not options.directory:
        shutil.rmtree(directory)
    if not good:
        print(f"\nWhat the runs printed is in {directory}")
        raise SystemExit(1)


react(
    lambda reactor, options: Deferred.fromCoroutine(_run(reactor, options)),
    [_options(sys.argv[1:])],
)
