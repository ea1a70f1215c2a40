"""
How evenly connections are spread over the workers, counted.

Requests one after the other over 2 workers, and bursts of simultaneous
connections over 3 idle ones; each answer is the number of the process that gave
it.  Node's cluster is shown beside, under the same policy.

How to read it: each line lists how the connections were spread, the greatest
share first, and in how many of the rounds they were spread so.

The exit code is 1 if C{twistd cluster} did not give each worker exactly its
share in every round, or could not be run, or if any connection of anybody was not
answered.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Sequence

from attrs import frozen

from benchmarks.competitors import available, node, ours, oursName
from benchmarks.figures import counted, table
from benchmarks.load import LoadResult, connectOften
from benchmarks.processes import runMain, running

POLICY = "rr"

# Until everything of one round is closed, and the workers are idle again.
SETTLE_SECONDS = 0.1


@frozen
class Trial:
    """
    Something to spread.

    @ivar connections: How many in each round.
    @ivar concurrency: How many at a time.
    @ivar workers: Over how many workers.
    """

    name: str
    connections: int
    concurrency: int
    workers: int

    @property
    def evenSpread(self) -> str:
        """
        What L{spreadOf} has to be.
        """
        return "/".join([str(self.connections // self.workers)] * self.workers)


TRIALS = (
    Trial("20 one by one over 2", connections=20, concurrency=1, workers=2),
    Trial("60 at once over 3", connections=60, concurrency=60, workers=3),
)


def spreadOf(load: LoadResult, workers: int) -> str:
    """
    How many connections each worker answered, the most first.
    """
    shares = sorted(load.answers.values(), reverse=True)
    return "/".join(map(str, shares + [0] * (workers - len(shares))))


def measure(trial: Trial, rounds: int) -> tuple[list[list[str]], bool]:
    """
    Let everybody do one trial.

    @return: Lines for the table, and whether all is as it should be.
    """
    lines = []
    good = False
    errors: Counter[str] = Counter()
    for competitor in available(
        [make(trial.workers, POLICY, "pid") for make in (node, ours)]
    ):
        spreads: Counter[str] = Counter()
        with running(competitor) as server:
            for _ in range(rounds):
                time.sleep(SETTLE_SECONDS)
                load = connectOften(server.port, trial.connections, trial.concurrency)
                spreads[spreadOf(load, trial.workers)] += 1
                errors.update(load.errors(None))
        lines += [
            [f"{trial.name}: {competitor.name}", spread, f"{times} of {rounds}"]
            for spread, times in spreads.most_common()
        ]
        if competitor.name == oursName(POLICY):
            good = set(spreads) == {trial.evenSpread}
    if errors:
        print(f"{trial.name}: {counted(errors)}")
    return lines, good and not errors


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure, print, and return the exit code.
    """
    parser = ArgumentParser(
        prog="python -m benchmarks.fairness",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=10)
    options: Namespace = parser.parse_args(arguments)
    results = [measure(trial, options.rounds) for trial in TRIALS]
    lines = [line for some, _ in results for line in some]
    print(table(["", "spread", "rounds"], lines))
    good = all(good for _, good in results)
    print(f"\n{oursName(POLICY)}: {'even' if good else 'NOT shown to be even'}")
    return 0 if good else 1


if __name__ == "__main__":
    runMain(main)
