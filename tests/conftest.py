"""
What pytest has to do that trial does by itself.
"""

from __future__ import annotations

import os
import signal
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


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """
    Have programs under test hear C{SIGINT}.  A shell has what it starts in the
    background ignore it, and that is inherited.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
