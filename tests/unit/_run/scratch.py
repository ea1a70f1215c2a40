"""
A directory for a test's files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from unittest import TestCase

from twisted.trial.unittest import SynchronousTestCase


def scratchDirectory(case: TestCase | SynchronousTestCase) -> str:
    """
    Make a directory that is removed when the test is over.

    C{mktemp} makes its files where the tests are run, which under pytest is
    the checkout, and leaves them there.
    """
    directory = os.path.realpath(tempfile.mkdtemp())
    case.addCleanup(shutil.rmtree, directory)
    return directory
