"""
What the tests of one run came to, and how two runs compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path

from attrs import field, frozen


class Outcome(Enum):
    """
    What became of one test.
    """

    PASSED = "passed"
    TODO = "todo"
    SKIPPED = "skipped"
    MISSING = "missing"
    FAILED = "failed"
    ERRED = "erred"

    @property
    def isGood(self) -> bool:
        """
        Whether trial would call a run of such tests successful.
        """
        return self in (Outcome.PASSED, Outcome.TODO, Outcome.SKIPPED)


_WORSE = list(Outcome)
"""
Trial may report one test several times: its failure, and what it left behind.
"""


class OutcomeFile:
    """
    Where a run writes outcomes down, line by line, so that they are known also
    of one that does not come to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, testID: str, outcome: Outcome) -> None:
        """
        One test has ended.
        """
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([testID, outcome.value]) + "\n")


def readOutcomes(path: Path) -> dict[str, Outcome]:
    """
    What a run wrote down: of each test the worst.  Nothing, if it came to
    nothing.
    """
    outcomes: dict[str, Outcome] = {}
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            testID, value = json.loads(line)
            before = outcomes.get(testID, Outcome.PASSED)
            outcomes[testID] = max(before, Outcome(value), key=_WORSE.index)
    return outcomes


@frozen
class NamedException:
    """
    Tests that differ on purpose.

    @ivar tests: A shell pattern of their ids.
    @ivar reason: Why; for users to read.
    @ivar leftOut: Whether they are not run at all: they would wait in vain
        until their time is over, or fail in a Deferred that nobody looks at,
        which trial reports as the failure of whichever test comes later.
    """

    tests: str
    reason: str
    leftOut: bool = False

    def covers(self, testID: str) -> bool:
        """
        Whether this test is meant.
        """
        return fnmatchcase(testID, self.tests)


@frozen
class Difference:
    """
    A test that is good without a cluster, and otherwise with one.
    """

    testID: str
    alone: Outcome
    clustered: Outcome

    def __str__(self) -> str:
        return f"{self.testID}: {self.alone.value} alone, {self.clustered.value} here"


@frozen
class Comparison:
    """
    Two runs of the same tests, side by side.

    @ivar alone: The outcomes without a cluster.
    @ivar clustered: The outcomes with one.
    @ivar differences: Those that nobody named.
    @ivar excepted: Those that are named exceptions.
    @ivar idle: Exceptions whose tests ran, and did not differ.
    """

    alone: Mapping[str, Outcome]
    clustered: Mapping[str, Outcome]
    differences: tuple[Difference, ...] = field(default=())
    excepted: tuple[Difference, ...] = field(default=())
    idle: tuple[NamedException, ...] = field(default=())


def compare(
    alone: Mapping[str, Outcome],
    clustered: Mapping[str, Outcome],
    exceptions: Iterable[NamedException] = (),
) -> Comparison:
    """
    Find the tests that the cluster makes a difference to.

    A test that is skipped, or is not run at all, where it passes without a
    cluster, differs as well as one that fails.
    """
    differences: list[Difference] = []
    excepted: list[Difference] = []
    exceptions = list(exceptions)
    for testID, before in alone.items():
        now = clustered.get(testID, Outcome.MISSING)
        skipped = now is Outcome.SKIPPED and before is not Outcome.SKIPPED
        if before.isGood and (not now.isGood or skipped):
            named = any(exception.covers(testID) for exception in exceptions)
            (excepted if named else differences).append(Difference(testID, before, now))
    differences += [
        # What trial reports under a name of its own: a module that cannot be
        # imported, a mistake between two tests.
        Difference(testID, Outcome.MISSING, now)
        for testID, now in clustered.items()
        if testID not in alone and not now.isGood
    ]
    differing = [difference.testID for difference in excepted]
    return Comparison(
        alone=alone,
        clustered=clustered,
        differences=tuple(differences),
        excepted=tuple(excepted),
        idle=tuple(
            exception
            for exception in exceptions
            if any(exception.covers(testID) for testID in alone)
            and not any(exception.covers(testID) for testID in differing)
        ),
    )
