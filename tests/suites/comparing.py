"""
A suite, run and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    globalLogPublisher,
)
from zope.interface import implementer

from tests.suites.catalogue import Suite
from tests.suites.exceptions import EXCEPTIONS
from tests.suites.outcomes import Comparison, compare
from tests.suites.surroundings import Surrounding, TrialRun


@frozen
class SuiteReport:
    """
    What a suite came to.

    @ivar suite: Which.
    @ivar comparison: The same tests without a cluster, and with one.
    @ivar errors: What the primary logged that it should not have to.
    @ivar seconds: How long it took without a cluster, and with one.
    """

    suite: Suite
    comparison: Comparison
    errors: Sequence[str]
    seconds: tuple[float, float]

    @property
    def isGood(self) -> bool:
        """
        Whether everything was as it should be.
        """
        return bool(self.comparison.alone) and not (
            self.comparison.differences or self.comparison.idle or self.errors
        )

    def lines(self) -> list[str]:
        """
        The report, to be printed.
        """
        comparison = self.comparison
        good = [
            sum(outcome.isGood for outcome in outcomes.values())
            for outcomes in (comparison.alone, comparison.clustered)
        ]
        lines = [
            "  ".join(
                [
                    f"{self.suite.name:14}",
                    f"alone {good[0]:4}/{len(comparison.alone):4} ok,",
                    f"{self.seconds[0]:5.1f} s;",
                    f"{self.suite.surrounding.value}",
                    f"{good[1]:4}/{len(comparison.clustered):4} ok,",
                    f"{self.seconds[1]:5.1f} s;",
                    f"{len(comparison.excepted)} named exceptions",
                ]
            )
        ]
        if not comparison.alone:
            lines.append("    no tests were run")
        lines += [f"    {difference}" for difference in comparison.differences]
        lines += [
            f"    {exception.tests}: named as an exception, and does not differ"
            for exception in comparison.idle
        ]
        lines += [f"    the primary logged: {error}" for error in self.errors]
        return lines


@implementer(ILogObserver)
@frozen
class _Errors:
    """
    Keeps what is logged as an error.
    """

    seen: list[str] = field(factory=list)

    def __call__(self, event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.error:
            self.seen.append(formatEvent(event))


async def runSuite(reactor: Any, suite: Suite, directory: Path) -> SuiteReport:
    """
    Run a suite without and with a cluster.

    @param directory: For what the runs leave behind; made if need be.
    """
    directory.mkdir(parents=True, exist_ok=True)
    errors = _Errors()
    begin = reactor.seconds()
    alone = await TrialRun(Surrounding.ALONE, suite.tests, directory).outcomes(reactor)
    between = reactor.seconds()
    globalLogPublisher.addObserver(errors)
    try:
        run = TrialRun(suite.surrounding, suite.tests, directory)
        clustered = await run.outcomes(reactor)
    finally:
        globalLogPublisher.removeObserver(errors)
    end = reactor.seconds()
    exceptions = EXCEPTIONS if suite.surrounding is Surrounding.WORKER else ()
    return SuiteReport(
        suite=suite,
        comparison=compare(alone, clustered, exceptions),
        errors=errors.seen,
        seconds=(between - begin, end - between),
    )
