"""
How many messages go back and forth between a primary and a worker.

The primary sends a message, the worker sends it back, for a number of times; with
one of them under way at a time, with 64, and with 64 of 100 KB.  Compared are
Node's cluster and ours, with each of the two serializations that both have.

How to read it: each cell is least/median/greatest of all rounds, which take turns.
C{us} is the processor time of a process for a round trip.
To be met: at least as many round trips as Node's with 64 small ones and with 64
of 100 KB under way.  The exit code does not tell, for machines are noisy.

Whether orjson is installed, as with the extra "fast", makes a difference to small
messages in JSON; the first line says whether it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib.util import find_spec

from attrs import Factory, define, frozen

from benchmarks.figures import Spread, ratios, table
from benchmarks.processes import SERVERS, ServerFailed, runMain, whyNoNode

NODE = "Node"
OURS = "twisted_cluster"
SERIALIZATIONS = ["json", "advanced"]
PATIENCE = 120.0
"""Seconds after which a program does not end any more."""


@frozen
class Load:
    """
    What is sent.

    @ivar outstanding: How many messages are under way.
    @ivar size: How long the text in them is.
    @ivar count: How many round trips are measured.
    @ivar hasBar: Whether we have to reach Node.
    """

    name: str
    outstanding: int
    size: int
    count: int
    hasBar: bool


LOADS = [
    Load("1 small", 1, 60, 10_000, hasBar=False),
    Load("64 small", 64, 60, 100_000, hasBar=True),
    Load("64 of 100 KB", 64, 100_000, 3_000, hasBar=True),
]


@define
class Measured:
    """
    A number for each round.

    @ivar rates: Round trips per second.
    @ivar primary: Microseconds of the primary's processor time for each.
    @ivar worker: The same of the worker's.
    """

    rates: list[float] = Factory(list)
    primary: list[float] = Factory(list)
    worker: list[float] = Factory(list)

    @property
    def used(self) -> list[float]:
        """
        The processor time of both.
        """
        return [sum(both) for both in zip(self.primary, self.worker, strict=True)]


def commands(serializations: Sequence[str]) -> dict[str, list[str]]:
    """
    By its name, the command line of each that can be measured.
    """
    script = str(SERVERS / "messages.py")
    reason = whyNoNode()
    if reason is not None:
        print(f"without {NODE}: {reason}")
    found = {}
    for serialization in serializations:
        if reason is None:
            node = ["node", str(SERVERS / "messages.js"), serialization]
            found[f"{NODE}, {serialization}"] = node
        ours = [sys.executable, script, serialization]
        found[f"{OURS}, {serialization}"] = ours
    return found


def measure(command: list[str], load: Load, measured: Measured) -> None:
    """
    One round of one of them.
    """
    numbers = [str(number) for number in (load.outstanding, load.size, load.count)]
    try:
        finished = subprocess.run(
            [*command, *numbers], capture_output=True, timeout=PATIENCE, check=True
        )
    except subprocess.SubprocessError as e:
        raise ServerFailed(f"{command}: {e}") from e
    result = json.loads(finished.stdout)
    measured.rates.append(load.count / result["seconds"])
    measured.primary.append(result["primary"] / load.count * 1e6)
    measured.worker.append(result["worker"] / load.count * 1e6)


def show(
    load: Load, serializations: Sequence[str], results: dict[str, Measured]
) -> None:
    """
    Print a table, and what it says about the bar.
    """
    rows = []
    for name, one in results.items():
        megabytes = [rate * load.size / 1e6 for rate in one.rates]
        rows.append(
            [
                name,
                Spread.of(one.rates).shown(0),
                Spread.of(megabytes).shown(1),
                Spread.of(one.primary).shown(1),
                Spread.of(one.worker).shown(1),
            ]
        )
    head = [
        f"{load.name}:",
        "round trips/s",
        "MB/s each way",
        "us primary",
        "us worker",
    ]
    print(table(head, rows))
    for serialization in serializations:
        node = results.get(f"{NODE}, {serialization}")
        if node is None:
            continue
        ours = results[f"{OURS}, {serialization}"]
        ratio = ratios(ours.rates, node.rates)
        used = ratios(ours.used, node.used)
        verdict = ""
        if load.hasBar:
            verdict = f"; at least 1: {'met' if ratio.middle >= 1 else 'MISSED'}"
        print(
            f"{serialization}: {ratio.shown(2)} times Node's round trips{verdict}; "
            f"{used.shown(2)} times its processor time"
        )
    print(flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure, and print.
    """
    parser = ArgumentParser(
        prog="python -m benchmarks.messages",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--serialization",
        action="append",
        choices=SERIALIZATIONS,
        help="only this one; may be repeated",
    )
    parser.add_argument(
        "--load", action="append", help="only this one, by its name; may be repeated"
    )
    options = parser.parse_args(arguments)
    serializations = options.serialization or SERIALIZATIONS
    if "json" in serializations:
        writer = "orjson" if find_spec("orjson") else "the standard library"
        print(f"{OURS} writes JSON with {writer}", end="\n\n")
    found = commands(serializations)
    for load in LOADS:
        if options.load and load.name not in options.load:
            continue
        results = {name: Measured() for name in found}
        for _ in range(options.rounds):
            for name, command in found.items():
                measure(command, load, results[name])
        show(load, serializations, results)
    return 0


if __name__ == "__main__":
    runMain(main)
