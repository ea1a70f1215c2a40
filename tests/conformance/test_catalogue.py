"""
No case of Node's is forgotten, and the documentation says what became of each.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.catalogue import CASES, HERE, PAGE, Status, page


class CatalogueTests(SynchronousTestCase):
    """
    Tests for the list of cases.
    """

    def test_everyCaseIsHere(self) -> None:
        """
        Every case has a module, or a reason why it has none.
        """
        missing = [case.name for case in CASES if case.become()[0] is Status.MISSING]
        self.assertEqual(missing, [])

    def test_everyModuleIsACase(self) -> None:
        """
        Every module of tests is one of the cases, except this, and the one that
        runs some of them again.
        """
        modules = {path.stem for path in HERE.glob("test_*.py")}
        modules -= {"test_catalogue", "test_reactors"}
        unknown = modules - {case.module for case in CASES}
        self.assertEqual(unknown, set())

    def test_documented(self) -> None:
        """
        The page of the documentation is what C{python -m tests.conformance}
        writes.
        """
        if not PAGE.parent.exists():
            self.skipTest("the documentation is not here")
        self.assertEqual(PAGE.read_text(encoding="utf-8"), page())
