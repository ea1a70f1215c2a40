"""
Tests of what the benchmarks share: a wrong measurement looks like a right one.

The benchmarks are no part of the wheel; where only that is there to test, these
are skipped.
"""

from importlib.util import find_spec
from unittest import SkipTest

if find_spec("benchmarks") is None:
    raise SkipTest("the benchmarks are not here")
