"""
Connections per second, and the processor time that each one costs.

Many short connections, 64 at a time: the server accepts, answers 6 bytes and
closes; the client reads to the end.  Compared are Node's cluster, the same server
in Twisted without cluster (one process), and in C{twistd cluster}, both also with
policy C{none}, where the workers accept themselves.

How to read it: C{primary} and C{workers} are microseconds of processor time, user
and system, per connection; C{workers} adds all of them up, and for Twisted
alone it is the one process that there is.  C{client} is what the load costs
itself, which no sum includes.  Each cell is least/median/greatest over the
rounds, and a ratio is taken within each round.  Rounds are interleaved, so
that a busy moment of the machine meets everybody.

Connections per second depend on how many processors there are for primary,
workers and client together; on few of them, processor time says more.  Below
a ratio of 1, ours costs less (or, for C{conn/s}, does less).

The exit code is 1 if any connection was not answered as it should be.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from attrs import Factory, define

from benchmarks.competitors import (
    PLAIN,
    available,
    node,
    nodeName,
    ours,
    oursName,
    plain,
)
from benchmarks.figures import Spread, counted, ratios, table
from benchmarks.load import LoadResult, connectOften
from benchmarks.processes import Competitor, CPUTime, RunningServer, runMain, running

EXPECTED = b"hello\n"

# After the last answer was read, the server still closes its sockets.
SETTLE_SECONDS = 0.05


@define
class Measured:
    """
    What one competitor did, a number for each round.

    @ivar rate: Connections per second.
    @ivar primary: Microseconds per connection, as all that follow.
    @ivar errors: What went wrong in all rounds together.
    """

    rate: list[float] = Factory(list)
    primary: list[float] = Factory(list)
    workers: list[float] = Factory(list)
    total: list[float] = Factory(list)
    client: list[float] = Factory(list)
    errors: Counter[str] = Factory(Counter)

    def add(self, load: LoadResult, used: CPUTime) -> None:
        """
        Take up one round.
        """
        micro = 1e6 / load.connections
        self.rate.append(load.rate)
        self.primary.append(used.primary * micro)
        self.workers.append(used.workers * micro)
        self.total.append((used.primary + used.workers) * micro)
        self.client.append(load.clientCPU * micro)
        self.errors.update(load.errors(EXPECTED))


def measureOnce(
    server: RunningServer, options: Namespace
) -> tuple[LoadResult, CPUTime]:
    """
    One round of one competitor.
    """
    before = server.cpuTime()
    load = connectOften(server.port, options.connections, options.concurrency)
    time.sleep(SETTLE_SECONDS)
    return load, server.cpuTime() - before


def measure(
    competitors: Sequence[Competitor], options: Namespace
) -> dict[str, Measured]:
    """
    Start them all, and measure one after the other, round by round.
    """
    results = {competitor.name: Measured() for competitor in competitors}
    with ExitStack() as stack:
        servers = [stack.enter_context(running(each)) for each in competitors]
        for server in servers:
            warm = connectOften(server.port, options.warmup, options.concurrency)
            results[server.competitor.name].errors.update(warm.errors(EXPECTED))
        for _ in range(options.rounds):
            for server in servers:
                results[server.competitor.name].add(*measureOnce(server, options))
    return results


def resultLines(results: dict[str, Measured]) -> str:
    """
    The table of the numbers.
    """
    return table(
        ["us/connection:", "primary", "workers", "total", "conn/s", "client", "errors"],
        [
            [
                name,
                Spread.of(measured.primary).shown(1),
                Spread.of(measured.workers).shown(1),
                Spread.of(measured.total).shown(1),
                Spread.of(measured.rate).shown(0),
                Spread.of(measured.client).shown(1),
                counted(measured.errors) or "none",
            ]
            for name, measured in results.items()
        ],
    )


def ratioLines(results: dict[str, Measured]) -> str:
    """
    The table of the ratios; only the head if there is nothing to compare.
    """
    pairs = [
        (mine, theirs)
        for policy in ("rr", "none")
        for mine, theirs in (
            (oursName(policy), nodeName(policy)),
            (oursName(policy), PLAIN),
        )
        if mine in results and theirs in results
    ]
    rows = []
    for mine, theirs in pairs:
        a, b = results[mine], results[theirs]
        # Where the workers accept, and where there is no primary, its share is
        # nothing, or noise.
        ofPrimary = theirs == nodeName("rr")
        rows.append(
            [
                f"{mine} / {theirs}",
                ratios(a.primary, b.primary).shown(2) if ofPrimary else "-",
                ratios(a.workers, b.workers).shown(2),
                ratios(a.total, b.total).shown(2),
                ratios(a.rate, b.rate).shown(2),
            ]
        )
    return table(["ratio:", "primary", "workers", "total", "conn/s"], rows)


def parser() -> ArgumentParser:
    """
    The command line.
    """
    parser = ArgumentParser(
        prog="python -m benchmarks.connections",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--policy", choices=["rr", "none", "both"], default="both")
    parser.add_argument(
        "--concurrency", type=int, default=64, help="connections at a time"
    )
    parser.add_argument(
        "--connections", type=int, default=5000, help="connections in each round"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--warmup", type=int, default=5000, help="connections before the first round"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure, print, and return the exit code.
    """
    options = parser().parse_args(arguments)
    policies = ["rr", "none"] if options.policy == "both" else [options.policy]
    competitors = available(
        [
            plain("hello"),
            *(node(options.workers, policy, "hello") for policy in policies),
            *(ours(options.workers, policy, "hello") for policy in policies),
        ]
    )
    print(
        f"{options.workers} workers; {options.rounds} rounds of "
        f"{options.connections} connections, {options.concurrency} at a time; "
        "least/median/greatest\n",
        flush=True,
    )
    results = measure(competitors, options)
    print(resultLines(results))
    print()
    print(ratioLines(results))
    return 1 if any(measured.errors for measured in results.values()) else 0


if __name__ == "__main__":
    runMain(main)
