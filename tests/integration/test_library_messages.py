"""
A program that is a cluster by itself: what primary and workers say.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

from tests.integration.running import RunningProgram


def linesOf(*words: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """
    Run one of the programs in C{applications/library}, which has to end by
    itself.

    @param environment: What to add to this process's.

    @return: What it and its workers printed.
    """
    name, *arguments = words
    command = [sys.executable, f"library/{name}.py", *arguments]
    with RunningProgram(command, environment=environment) as program:
        assert program.waitForExit() == 0, program.log
        return list(program.log.lines)


def test_lastWords() -> None:
    """
    Everything that a worker sent before it ended in an orderly way arrives, in
    order, before its end is told: also if its reactor was stopping, had stopped, or
    had never run.
    """
    lines = linesOf("lastwords")
    assert sorted(line for line in lines if ": " in line and "order" in line) == [
        "disconnect: 0, None, all in order: True",
        "exception: 1, None, all in order: True",
        "kill: 0, None, all in order: True",
        "reactor.stop: 0, None, all in order: True",
        "stopped: 0, None, all in order: True",
        "stopping: 0, None, all in order: True",
        "sys.exit: 3, None, all in order: True",
    ]


def test_farewell() -> None:
    """
    What the primary has said arrives before a worker leaves, however much it is and
    whoever of the two wanted it; questions are answered first; and the primary is
    told so.  Only what nobody listens to is lost, and that is told, too.
    """
    told = linesOf("farewell")
    assert [line for line in told if line.startswith("exit")] == ["exit 0 None"] * 9
    assert [line for line in told if line.startswith("heard")] == [
        "heard 1",
        "heard 2",
        "heard 1",
        "heard 20000",
        "heard 0",
        "heard 0",
        "heard 2",
        "heard 1",
        "heard 1",
    ]
    assert [line for line in told if not line.startswith(("exit", "heard"))] == [
        "small {'delivered'}",
        "large {'delivered'}",
        "with a handle {'delivered'}",
        "many {'delivered'}",
        "slow answer {'at last'}",
        "nobody listens {'ChannelClosed'}",
        "it goes by itself {'delivered'}",
        "broadcast [True, True] 2",
    ]


@pytest.mark.parametrize("way", ["asked", "itself", "stopping", "killing"])
def test_oneByOne(way: str) -> None:
    """
    Those who take one message at a time, and do something in between, have all of
    them before a worker leaves, whoever wanted that and however it does; and those who
    sent them are told so.  Only a worker whose reactor stops hears no more.
    """
    told = linesOf("onebyone", way)
    assert "primary received all WorkerLost" in told
    assert "worker delivered 20" in told
    assert ("primary delivered 20" in told) is (way != "stopping")


def test_conversation() -> None:
    """
    Either side asks the other, and gives it commands; what fails fails at the
    side that asked; a broadcast is delivered to every worker.
    """
    lines = linesOf("conversing")

    def conversation(who: str) -> list[str]:
        return [
            f"{who} asks: 42",
            f"{who} is told: that makes no sense",
            f"{who} waits no longer",
            f"{who} commands: {{'total': 3}}",
            f"{who} is refused: -2 is negative",
        ]

    assert sorted(lines) == sorted(
        [
            *conversation("primary"),
            *conversation("worker"),
            "delivered: [True, True]",
            "heard: [(1, ['heard', {'for': 'all'}]), (2, ['heard', {'for': 'all'}])]",
        ]
    )


def test_late() -> None:
    """
    Messages wait for the first who observes them.  A worker that sends more than
    may wait keeps the rest, and the primary's memory does not grow.
    """
    assert sorted(linesOf("unheard", "late")) == [
        "all in order: True True",
        "delivered before: 0",
        "the flood is here: False",
    ]


def test_tooLate() -> None:
    """
    A worker that ends does not wait for anybody to observe what it said; who does
    when its exit is told still has it, also if it was killed.
    """
    assert linesOf("unheard", "killed") == ["it said: good bye"]
    assert linesOf("unheard", "afterwards") == [
        "it ended: exit status 0",
        "it said: good bye",
    ]
    assert linesOf("unheard", "never") == ["it ended: exit status 0"]
