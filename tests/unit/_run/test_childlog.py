"""
Tests for L{twisted_cluster._run.childlog}.
"""

from __future__ import annotations

import io
import sys

from twisted.logger import ILogObserver, Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_cluster._run.childlog import observer


class Output(io.StringIO):
    """
    Knows what was written before the last flush.
    """

    flushed = ""

    def flush(self) -> None:
        """
        Remember.
        """
        self.flushed = self.getvalue()


class ObserverTests(SynchronousTestCase):
    """
    Tests for L{observer}.
    """

    def setUp(self) -> None:
        """
        Observe a logger.
        """
        self.output = Output()
        self.observer = observer(self.output)
        self.logger = Logger("the.namespace", observer=self.observer)

    def test_interface(self) -> None:
        """
        It is an observer.
        """
        self.assertTrue(verifyObject(ILogObserver, self.observer))

    def test_line(self) -> None:
        """
        An event is written at once, as Twisted's classic text without the time.
        """
        self.logger.warn("It is {what}.", what="raining")
        self.assertEqual(self.output.flushed, "[the.namespace#warn] It is raining.\n")

    def test_traceback(self) -> None:
        """
        A failure's traceback follows on lines of its own, set off by a tab.
        """
        try:
            raise LookupError("lost")
        except LookupError:
            self.logger.failure("It failed.")
        lines = self.output.flushed.splitlines()
        self.assertEqual(lines[0], "[the.namespace#critical] It failed.")
        self.assertEqual(lines[1], "\tTraceback (most recent call last):")
        self.assertIn("\tbuiltins.LookupError: lost", lines)

    def test_nothingToSay(self) -> None:
        """
        An event without text writes no line.
        """
        self.observer({"log_format": ""})
        self.assertEqual(self.output.getvalue(), "")

    def test_standardOutput(self) -> None:
        """
        By default it writes on standard output, and a character that cannot be
        written there is written as its number.
        """
        written = io.BytesIO()
        self.patch(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
        Logger("n", observer=observer()).info("caf\xe9")
        self.assertEqual(written.getvalue(), b"[n#info] caf\\xe9\n")
