"""
How many messages go back and forth between two processes.

A process sends a message, the other sends it back, for a number of times; with one
of them under way at a time, with 64, and with 64 of 100 KB.  Compared are Node's
cluster and our channel, with each of its serializations.

How to read it: each cell is least/median/greatest of all rounds.  C{us} is the
processor time of one of the two processes for a round trip.
To be met: at least as many round trips as Node's with 64 small ones and with 64
of 100 KB under way.  The exit code does not tell, for machines are noisy.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence

from attrs import Factory, define, frozen

from benchmarks.figures import Spread, ratios, table
from benchmarks.processes import SERVERS, ServerFailed, runMain, whyNoNode

NODE = "Node"
OURS = "twisted_cluster, json"
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
    @ivar cpu: Microseconds of processor time for each.
    """

    rates: list[float] = Factory(list)
    cpu: list[float] = Factory(list)


def commands() -> dict[str, list[str]]:
    """
    By its name, the command line of each that can be measured.
    """
    script = str(SERVERS / "messages.py")
    found = {
        OURS: [sys.executable, script, "json"],
        "twisted_cluster, advanced": [sys.executable, script, "advanced"],
    }
    reason = whyNoNode()
    if reason is None:
        return {NODE: ["node", str(SERVERS / "messages.js")], **found}
    print(f"without {NODE}: {reason}")
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
    measured.cpu.append(result["cpuSeconds"] / load.count * 1e6)


def show(load: Load, results: dict[str, Measured]) -> None:
    """
    Print a table.
    """
    rows = []
    for name, one in results.items():
        megabytes = [rate * load.size / 1e6 for rate in one.rates]
        rows.append(
            [
                name,
                Spread.of(one.rates).shown(0),
                Spread.of(megabytes).shown(1),
                Spread.of(one.cpu).shown(1),
            ]
        )
    print(table([f"{load.name}:", "round trips/s", "MB/s each way", "us"], rows))
    if NODE in results:
        ratio = ratios(results[OURS].rates, results[NODE].rates)
        used = ratios(results[OURS].cpu, results[NODE].cpu)
        verdict = ""
        if load.hasBar:
            verdict = f"; at least 1: {'met' if ratio.middle >= 1 else 'MISSED'}"
        print(
            f"{OURS}: {ratio.shown(2)} times Node's round trips{verdict}; "
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
    options = parser.parse_args(arguments)
    found = commands()
    for load in LOADS:
        results = {name: Measured() for name in found}
        for _ in range(options.rounds):
            for name, command in found.items():
                measure(command, load, results[name])
        show(load, results)
    return 0


if __name__ == "__main__":
    runMain(main)
