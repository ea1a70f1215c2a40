"""
More on a channel than it takes at once, beside clients that want to be served.
"""

from __future__ import annotations

import os
import signal
import sys

from tests.integration.running import RunningProgram
from tests.integration.supervising import meet

APPLICATION = os.path.join(os.path.dirname(__file__), "applications", "loaded.py")


def loaded(what: str) -> RunningProgram:
    """
    A primary and its workers, saying something.
    """
    return RunningProgram([sys.executable, APPLICATION, what])


def test_large() -> None:
    """
    A message of 100 MB, and one back, arrive; the clients of that worker are served
    while they are on their way.
    """
    with loaded("large") as program:
        port = int(program.waitForLine(r"port (\d+)")[1])
        while not (heard := program.log.matches(r"served (\d+) before 100000000")):
            assert meet(port) is not None
        program.waitForLine("delivered 1")
        program.waitForLine("back 100000000")
        assert int(heard[0][1]) > 5


def test_deaf() -> None:
    """
    A worker that reads nothing keeps nobody from being served by another, however
    much is said to it; when it goes on it hears everything, in order.
    """
    with loaded("deaf") as program:
        port = int(program.waitForLine(r"port (\d+)")[1])
        deaf = int(program.waitForLine(r"stands still (\d+)")[1])
        try:
            answers = {meet(port) for _ in range(10)}
        finally:
            os.kill(deaf, signal.SIGCONT)
        assert None not in answers
        program.waitForLine("delivered 50000")
        program.waitForLine("in order True")
