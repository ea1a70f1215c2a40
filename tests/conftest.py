"""
What pytest has to do that trial does by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _emptyDirectory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """
    Run the tests in an empty directory: C{mktemp} of Twisted's test cases, and
    some of the programs under test, write to the one they are in.
    """
    source = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(source)
