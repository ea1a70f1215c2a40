"""
Very many workers at once: how long they take to start, and whether all serve.

C{twistd cluster} runs an ordinary Twisted program in 64 workers.  Then as many
connections are made as give each worker ten, 64 at a time; each answer is the
number of the process that gave it.

How to read it: C{all serve after} is from the start of the command until every
worker's reactor runs.  Memory is the resident set (C{VmRSS}) of the primary, and of
a worker, the median; the pages that all share are counted in each.

The exit code is 1 if not every worker answered its share, or a connection was not
answered.
"""

from __future__ import annotations

import re
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.competitors import available, ours
from benchmarks.figures import counted, table
from benchmarks.load import connectOften
from benchmarks.processes import ServerFailed, runMain, running

POLICY = "rr"
EACH = 10

# With so many, what one takes to start is multiplied.
SECONDS_FOR_A_WORKER = 5.0


def residentMegabytes(pid: int) -> float:
    """
    How much memory of a process is in use.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"^VmRSS:\s*(\d+) kB$", status, re.MULTILINE)
    if match is None:
        raise ServerFailed(f"process {pid} has no memory")
    return int(match[1]) / 1024


def descriptorsOf(pid: int) -> int:
    """
    How many descriptors a process has open.
    """
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def measure(workers: int) -> bool:
    """
    Start so many, have each serve, and print the figures.

    @return: Whether each did.
    """
    found = available([ours(workers, POLICY, "pid")])
    if not found:
        return False
    begun = time.monotonic()
    with running(
        found[0],
        stopSeconds=workers * SECONDS_FOR_A_WORKER,
        startSeconds=workers * SECONDS_FOR_A_WORKER,
    ) as server:
        started = time.monotonic() - begun
        load = connectOften(server.port, workers * EACH, 64)
        serving = {b"%d\n" % pid for pid in server.serving}
        rows = [
            ["workers", f"{workers}"],
            ["all serve after", f"{started:.1f} s"],
            ["workers that answered", f"{len(serving & set(load.answers))}"],
            ["connections answered", f"{sum(load.answers.values())}"],
            ["in", f"{load.seconds:.2f} s"],
            ["least and most of a worker", _leastAndMost(list(load.answers.values()))],
            ["primary's memory", f"{residentMegabytes(server.pid):.0f} MB"],
            [
                "a worker's memory",
                f"{median(map(residentMegabytes, server.serving)):.0f} MB",
            ],
            ["primary's descriptors", f"{descriptorsOf(server.pid)}"],
        ]
    print(table(["", "twistd cluster"], rows))
    errors = load.errors(None)
    if errors:
        print(counted(errors))
    return not errors and load.answers == dict.fromkeys(serving, EACH)


def _leastAndMost(counts: Sequence[int]) -> str:
    return f"{min(counts, default=0)}, {max(counts, default=0)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure, print, and return the exit code.
    """
    parser = ArgumentParser(
        prog="python -m benchmarks.many",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=64)
    options: Namespace = parser.parse_args(arguments)
    good = measure(options.workers)
    print(f"\ntwistd cluster: {'all serve' if good else 'NOT shown that all serve'}")
    return 0 if good else 1


if __name__ == "__main__":
    runMain(main)
