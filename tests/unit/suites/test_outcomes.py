"""
Tests for L{tests.suites.outcomes} and L{tests.suites.exceptions}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import tests
from tests.suites.exceptions import EXCEPTIONS
from tests.suites.outcomes import (
    Difference,
    NamedException,
    Outcome,
    OutcomeFile,
    compare,
    readOutcomes,
)

PASSED = {"a": Outcome.PASSED, "b": Outcome.PASSED}


class OutcomeFileTests(SynchronousTestCase):
    """
    Tests for L{OutcomeFile} and L{readOutcomes}.
    """

    def test_worst(self) -> None:
        """
        Of a test that is reported several times the worst counts.
        """
        path = Path(self.mktemp())
        written = OutcomeFile(path)
        written.write("a", Outcome.ERRED)
        written.write("b", Outcome.SKIPPED)
        written.write("a", Outcome.PASSED)
        self.assertEqual(readOutcomes(path), {"a": Outcome.ERRED, "b": Outcome.SKIPPED})

    def test_nothing(self) -> None:
        """
        A run that wrote nothing came to nothing.
        """
        self.assertEqual(readOutcomes(Path(self.mktemp())), {})


class CompareTests(SynchronousTestCase):
    """
    Tests for L{compare}.
    """

    def test_same(self) -> None:
        """
        What fails in both runs is no difference.
        """
        outcomes = {"a": Outcome.PASSED, "b": Outcome.FAILED}
        self.assertEqual(compare(outcomes, outcomes).differences, ())

    def test_worse(self) -> None:
        """
        A test that fails, is skipped or is missing with a cluster differs.
        """
        for now in (Outcome.FAILED, Outcome.ERRED, Outcome.SKIPPED, Outcome.MISSING):
            self.assertEqual(
                compare(PASSED, {"a": Outcome.PASSED, "b": now}).differences,
                (Difference("b", Outcome.PASSED, now),),
            )
        self.assertEqual(
            compare(PASSED, {"a": Outcome.PASSED}).differences,
            (Difference("b", Outcome.PASSED, Outcome.MISSING),),
        )

    def test_new(self) -> None:
        """
        A failure that has no counterpart differs.
        """
        clustered = {**PASSED, "import": Outcome.ERRED}
        self.assertEqual(
            compare(PASSED, clustered).differences,
            (Difference("import", Outcome.MISSING, Outcome.ERRED),),
        )

    def test_excepted(self) -> None:
        """
        A named exception is told apart.
        """
        compared = compare(
            PASSED,
            {"a": Outcome.PASSED, "b": Outcome.FAILED},
            [NamedException("b*", "because")],
        )
        self.assertEqual(compared.differences, ())
        self.assertEqual(
            compared.excepted, (Difference("b", Outcome.PASSED, Outcome.FAILED),)
        )
        self.assertEqual(compared.idle, ())

    def test_idle(self) -> None:
        """
        An exception is reported whose tests ran and did not differ; one whose
        tests were not among these is not.
        """
        idle, other = NamedException("b", "because"), NamedException("z", "why not")
        self.assertEqual(compare(PASSED, PASSED, [idle, other]).idle, (idle,))


class DocumentationTests(SynchronousTestCase):
    """
    Tests for the page that lists the exceptions.
    """

    def test_everyExceptionIsDocumented(self) -> None:
        """
        The page has each exception, with its reason, and none besides.
        """
        root = Path(tests.__file__).parent.parent
        page = root.joinpath("docs", "project", "exceptions.rst").read_text("utf-8")
        words = " ".join(page.split())
        for exception in EXCEPTIONS:
            self.assertIn(f"``{exception.tests}``", words)
            self.assertIn(" ".join(exception.reason.split()), words)
        self.assertEqual(page.count("* ``twisted."), len(EXCEPTIONS))
