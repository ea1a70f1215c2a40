"""
A program kills its workers while it speaks to them, and has them leave.
"""

from __future__ import annotations

import json
import os
import sys

from tests.chaos import exhausting
from tests.integration.running import RunningProgram

PROGRAM = os.path.join(os.path.dirname(exhausting.__file__), "applications/killing.py")

KILLS = 8


def test_killedAndAsked() -> None:
    """
    Of each worker that is killed its disconnect is told, and then its exit, each
    once.  What is sent to a worker that dies is delivered or fails, each message
    of it, and does not harm the primary, though nobody listens for errors; which
    has no more descriptors afterwards.

    Workers that are asked to leave twice leave once, with status 0.  That all have
    left is told when the last one has, which had a client until then.
    """
    with RunningProgram([sys.executable, PROGRAM, str(KILLS)]) as program:
        killed = json.loads(program.waitForLine("^killed: (.*)$")[1])
        left = json.loads(program.waitForLine("^left: (.*)$")[1])
        assert program.waitForExit() == 0
        assert killed["events"] == {"disconnect": KILLS, "exit": KILLS}
        assert killed["inOrder"]
        assert killed["workers"] == 3
        before, after = killed["descriptors"]
        assert after <= before
        assert sum(killed["outcomes"].values()) == 60 * KILLS
        assert set(killed["outcomes"]) <= {"delivered", "ChannelClosed"}
        assert killed["outcomes"]["ChannelClosed"] >= 20 * KILLS
        assert left["told"] == ["0 None", "0 None", "bye", "0 None", "all"]
        assert not program.log.matches("Traceback|Unhandled"), str(program.log)
