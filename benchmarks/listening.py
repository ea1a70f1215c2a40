"""
How long a listen takes, and how long a worker takes until it listens.

First, one Twisted program calls C{reactor.listenTCP(0)} and closes the port again,
many times, while its reactor runs, and measures each call itself: by itself, where
the kernel answers, and in a worker, where the primary does.

Second, from spawn to listening.  A worker is started by the primary, and nobody
else knows when.  So the children of the primary are polled every half millisecond,
and the time begins when one is there; it ends when C{listenTCP} has returned in the
program, which writes the time down.  The same program by itself is measured in the
very same way, as the child of a small launcher, so that what the polling misses is
missed of both.  In a worker this includes everything that the bootstrap adds.
It does not include what the primary needs to start, which is shown by itself:
C{to spawn} is from the command until the child is there.

How to read it: each cell is least/median/greatest, of all listens, and of all starts.
To be met: the median listen in a worker is below 1 ms, and the median
start of a worker below twice the other.  The exit code does not tell, for
machines are noisy.
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import Factory, define

from benchmarks.competitors import PLAIN, available, clustered, oursName
from benchmarks.figures import Spread, ratios, table
from benchmarks.processes import (
    NOTES,
    PORT,
    SERVERS,
    START_SECONDS,
    Competitor,
    childrenOf,
    readNotes,
    runMain,
    running,
    spawned,
    waitFor,
)

POLICY = "rr"
OURS = oursName(POLICY)
LISTEN_BAR = 1e-3
START_BAR = 2.0


@define
class Listens:
    """
    What a program measured, in seconds.
    """

    listens: list[float] = Factory(list)
    closes: list[float] = Factory(list)


@define
class Starts:
    """
    What starts took, in seconds, a number for each round.

    @ivar toSpawn: From the command until its child was there.
    @ivar toListening: From there until the child listened.
    """

    toSpawn: list[float] = Factory(list)
    toListening: list[float] = Factory(list)


def measureListens(rounds: int, count: int) -> dict[str, Listens]:
    """
    Have the program measure its listens, by itself and in a worker.
    """
    program = [str(SERVERS / "listens.py"), str(count), NOTES]
    competitors = available(
        [
            Competitor(PLAIN, [sys.executable, *program], 0),
            clustered(1, POLICY, *program),
        ]
    )
    results = {competitor.name: Listens() for competitor in competitors}
    for _ in range(rounds):
        for competitor in competitors:
            with running(competitor) as server:
                for note in server.notes.values():
                    results[competitor.name].listens += note["listens"]
                    results[competitor.name].closes += note["closes"]
    return results


def measureStart(competitor: Competitor, result: Starts) -> None:
    """
    Start a competitor that has one child, and see when the child listens.
    """
    with TemporaryDirectory(prefix="benchmark-") as folder:
        begun = time.monotonic()
        with spawned(competitor, Path(folder)) as (process, notes, _):

            def isAlive() -> bool:
                return process.poll() is None

            waitFor(
                lambda: bool(childrenOf(process.pid)),
                isAlive,
                f"{competitor.name} has a child",
                START_SECONDS,
                interval=0.0005,
            )
            there = time.monotonic()
            waitFor(
                lambda: bool(readNotes(notes)),
                isAlive,
                f"the child of {competitor.name} listens",
                START_SECONDS,
            )
            (note,) = readNotes(notes).values()
        result.toSpawn.append(there - begun)
        result.toListening.append(note["listeningSince"] - there)


def measureStarts(rounds: int) -> dict[str, Starts]:
    """
    Start the program as the child of a launcher, and of the primary.
    """
    program = [str(SERVERS / "answer.py"), PORT, NOTES, "hello"]
    launcher = [sys.executable, str(SERVERS / "launch.py")]
    competitors = available(
        [
            Competitor(PLAIN, [*launcher, sys.executable, *program], 1),
            clustered(1, POLICY, *program),
        ]
    )
    for competitor in competitors:
        # Not counted: it may have to compile, and to fill the kernel's caches.
        measureStart(competitor, Starts())
    results = {competitor.name: Starts() for competitor in competitors}
    for _ in range(rounds):
        for competitor in competitors:
            measureStart(competitor, results[competitor.name])
    return results


def milliseconds(seconds: Iterable[float], digits: int) -> str:
    """
    A cell of the table.
    """
    return Spread.of([second * 1e3 for second in seconds]).shown(digits)


def verdict(isMet: bool) -> str:
    """
    Whether a bar is met, in a word.
    """
    return "met" if isMet else "MISSED"


def showListens(results: dict[str, Listens]) -> None:
    """
    Print the first table.
    """
    print(
        table(
            ["ms:", "listen", "close"],
            [
                [name, milliseconds(one.listens, 3), milliseconds(one.closes, 3)]
                for name, one in results.items()
            ],
        )
    )
    if OURS in results:
        median = Spread.of(results[OURS].listens).middle
        plain = Spread.of(results[PLAIN].listens).middle
        print(
            f"median listen: {median / plain:.1f} times that of {PLAIN}; "
            f"below {LISTEN_BAR * 1e3:g} ms: {verdict(median < LISTEN_BAR)}"
        )


def showStarts(results: dict[str, Starts]) -> None:
    """
    Print the second table.
    """
    print(
        table(
            ["ms:", "to spawn", "spawn to listening"],
            [
                [
                    name,
                    # The launcher's is nothing to compare with.
                    "-" if name == PLAIN else milliseconds(one.toSpawn, 0),
                    milliseconds(one.toListening, 0),
                ]
                for name, one in results.items()
            ],
        )
    )
    if OURS in results:
        ratio = ratios(results[OURS].toListening, results[PLAIN].toListening)
        print(
            f"spawn to listening: {ratio.shown(2)} times that of {PLAIN}; "
            f"below {START_BAR:g}: {verdict(ratio.middle < START_BAR)}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure, and print.
    """
    parser = ArgumentParser(
        prog="python -m benchmarks.listening",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--listens", type=int, default=300, help="in each process")
    parser.add_argument("--processes", type=int, default=3, help="that listen so often")
    parser.add_argument("--starts", type=int, default=10)
    options: Namespace = parser.parse_args(arguments)
    showListens(measureListens(options.processes, options.listens))
    print(flush=True)
    showStarts(measureStarts(options.starts))
    return 0


if __name__ == "__main__":
    runMain(main)
