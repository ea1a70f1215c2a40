"""
What is run: trial, with the outcome of each test written down.

C{python -m tests.suites.trialprogram OUTCOMES OUTPUT [trial's own arguments]}.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from twisted.trial import reporter

from tests.suites.exceptions import EXCEPTIONS
from tests.suites.outcomes import Outcome, OutcomeFile
from twisted_cluster._reactor.layer import BorrowingReactorMixin


class RecordingReporter(reporter.VerboseTextReporter):
    """
    Reports as C{trial --reporter=verbose} does, and writes outcomes down.

    @cvar outcomes: Where to.
    """

    outcomes: OutcomeFile

    def _record(self, test: Any, outcome: Outcome) -> None:
        self.outcomes.write(test.id(), outcome)

    def addSuccess(self, test: Any) -> None:
        """
        It passed.
        """
        super().addSuccess(test)
        self._record(test, Outcome.PASSED)

    def addError(self, test: Any, error: Any) -> None:
        """
        It raised something else than a failure, or left something behind.
        """
        super().addError(test, error)
        self._record(test, Outcome.ERRED)

    def addFailure(self, test: Any, failure: Any) -> None:
        """
        It failed.
        """
        super().addFailure(test, failure)
        self._record(test, Outcome.FAILED)

    def addSkip(self, test: Any, reason: Any) -> None:
        """
        It was not run.
        """
        super().addSkip(test, reason)
        self._record(test, Outcome.SKIPPED)

    def addExpectedFailure(self, test: Any, error: Any, todo: Any = None) -> None:
        """
        It failed, as it is known to.
        """
        super().addExpectedFailure(test, error, todo)
        self._record(test, Outcome.TODO)

    def addUnexpectedSuccess(self, test: Any, todo: Any = None) -> None:
        """
        It passed, although it is known to fail.
        """
        super().addUnexpectedSuccess(test, todo)
        self._record(test, Outcome.TODO)


def _writeOutputTo(path: str) -> None:
    """
    Leave standard output and error of whoever started this alone.
    """
    with open(path, "ab", buffering=0) as output:
        for standard in (1, 2):
            os.dup2(output.fileno(), standard)


def inWorker() -> bool:
    """
    Whether a primary answers what is listened on here.
    """
    from twisted.internet import reactor

    return isinstance(reactor, BorrowingReactorMixin)


def _reportRunning() -> None:
    """
    Run the reactor for one turn, before the first test.

    Trial runs it for the tests that need it, and may never do so.  A worker
    whose reactor did not run yet gets no connections.
    """
    from twisted.internet import reactor

    reactor.callWhenRunning(reactor.crash)
    reactor.run()


def _leaveOut(suite: Any) -> None:
    """
    Remove from a suite what is better not run in a worker.
    """
    for test in list(suite._tests):
        if hasattr(test, "_tests"):
            _leaveOut(test)
        elif any(named.leftOut and named.covers(test.id()) for named in EXCEPTIONS):
            suite._tests.remove(test)


def main() -> None:
    """
    Run trial.
    """
    outcomes, output, *arguments = sys.argv[1:]
    _writeOutputTo(output)
    from twisted.scripts import trial

    options = trial.Options()
    # This installs the reactor.
    options.parseOptions(arguments)
    RecordingReporter.outcomes = OutcomeFile(Path(outcomes))
    options["reporter"] = RecordingReporter
    from tests.suites import builtreactors

    builtreactors.replaceReactors()
    _reportRunning()
    suite = trial._getSuite(options)
    if inWorker():
        _leaveOut(suite)
    result = trial._makeRunner(options).run(suite)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
