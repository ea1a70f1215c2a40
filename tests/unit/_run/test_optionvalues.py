"""
Tests for L{twisted_cluster._run.optionvalues}.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._run.optionvalues import (
    AUTO,
    firstDelay,
    group,
    positive,
    reading,
    seconds,
    user,
    workerCount,
)


class ValueTests(SynchronousTestCase):
    """
    Tests for what makes values of words.
    """

    def assertRefused(
        self, read: Callable[[str], object], words: str, *texts: str
    ) -> None:
        """
        Assert that these are no values, and that the message says what would do.
        """
        for text in texts:
            with self.assertRaisesRegex(ValueError, words):
                read(text)

    def test_numbers(self) -> None:
        """
        Numbers of things are whole, and at least one; workers can be counted.
        """
        self.assertEqual((positive("3"), workerCount("3")), (3, 3))
        self.assertEqual(workerCount(AUTO), AUTO)
        self.assertRefused(positive, "whole number, from 1", "0", "-1", "x", "1.5", "")
        self.assertRefused(workerCount, "from 1, or auto", "0", "-1", "x", "1.5", "")

    def test_seconds(self) -> None:
        """
        Times are finite, and not negative.
        """
        self.assertEqual((seconds("0"), seconds("1.5")), (0.0, 1.5))
        self.assertRefused(seconds, "number of seconds", "-1", "inf", "nan", "x", "")

    def test_firstDelay(self) -> None:
        """
        A delay that is doubled is more than nothing; a module's name means
        something else, and is told how.
        """
        self.assertEqual(firstDelay("0.5"), 0.5)
        self.assertRefused(firstDelay, "more than 0", "0", "0.0")
        self.assertRefused(firstDelay, "-- -m package.module", "package.module")
        self.assertRefused(firstDelay, "number of seconds", "-1", "1s")

    def test_identities(self) -> None:
        """
        Users and groups have numbers and names.
        """
        me, mine = pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())
        self.assertEqual((user(me.pw_name), group(mine.gr_name)), (me[2], mine[2]))
        self.assertEqual((user("65534"), group("65534")), (65534, 65534))
        self.assertRefused(user, "no user 'nobody at all'", "nobody at all")
        self.assertRefused(group, "no group 'nobody at all'", "nobody at all")

    def test_reading(self) -> None:
        """
        A message about a wrong value begins with the option's name.
        """
        read = reading("window", positive)
        self.assertEqual(read("4"), 4)
        with self.assertRaisesRegex(UsageError, "^--window: give .*'x'$"):
            read("x")
