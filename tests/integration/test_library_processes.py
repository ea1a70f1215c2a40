"""
A program that is a cluster by itself: its processes, and their streams.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.integration.running import RunningProgram
from tests.integration.test_library_messages import linesOf


def test_streams() -> None:
    """
    Pipes to a worker's standard streams lead where they should, one behind them
    leads both ways, and a number is that descriptor of the primary's.
    """
    assert sorted(linesOf("streams")) == [
        "1 hello back",
        "2 oops",
        "4 ping pong",
        "exited: 2 ended: [0, 1, 2, 4]",
        "pipes: [True, True, True, False, True]",
        "straight to the primary's output",
    ]


def test_streamsInside() -> None:
    """
    A worker's program has the other ends of the same pipes, in the same shape; what
    it prints comes before what it writes later, and none of the pipes keeps it when
    it leaves.
    """
    assert sorted(linesOf("streams", "inside")) == [
        "1 printed, hello back",
        "2 pipes: [True, True, True, False, True]",
        "4 ping pong",
        "exited: 0 ended: [0, 1, 2, 4]",
        "pipes: [True, True, True, False, True]",
    ]


def test_silent() -> None:
    """
    A silent worker has pipes for all three standard streams.
    """
    assert sorted(linesOf("streams", "silent")) == [
        "1 hello back",
        "2 oops",
        "exited: 2 ended: [0, 1, 2]",
        "pipes: [True, True, True]",
    ]


def test_stopping() -> None:
    """
    When the primary's reactor stops, its workers end in order before it does,
    each end is told, and none is started any more, not even by an observer that
    replaces each that ends; which is not told as a mistake.
    """
    lines = linesOf("stopping", "stop")
    assert sorted(lines) == [
        "exit 1 0 None",
        "exit 2 0 None",
        "fork 1",
        "fork 2",
        "the reactor is stopping: no worker is started {}",
        "worker 1 ended in order",
        "worker 1 listens",
        "worker 2 ended in order",
        "worker 2 listens",
    ]


@pytest.mark.parametrize("policy", ["rr", "none"])
def test_stoppingPaths(policy: str, tmp_path: Path) -> None:
    """
    A primary that stops leaves no path of its ports behind, and no lock.
    """
    environment = {
        "SOCKET": str(tmp_path / "socket"),
        "TWISTED_CLUSTER_SCHED_POLICY": policy,
    }
    assert "left: [False, False]" in linesOf(
        "stopping", "stop", environment=environment
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals(number: signal.Signals) -> None:
    """
    Whatever signal ends the primary, no worker is left; if it could, the primary
    has waited for them.
    """
    command = [sys.executable, "-u", "library/stopping.py"]
    with RunningProgram(command) as program:
        program.waitForLine(r"^worker \d listens$", count=2)
        program.signal(number)
        program.process.wait(10)
        program.assertNoneLeft()
        ended = program.log.matches("ended in order")
        assert number is signal.SIGKILL or len(ended) == 2, program.log


@pytest.mark.parametrize("policy", ["rr", "none"])
def test_nesting(policy: str) -> None:
    """
    What a worker starts is no worker: it can be the primary of a cluster of its
    own.  So can the worker be, with a cluster that is an object.  All of them
    serve, each cluster on its own port.
    """
    environment = {"TWISTED_CLUSTER_SCHED_POLICY": policy}
    assert linesOf("nesting", environment=environment) == [
        "True worker at 1, inside: 0 True worker at 2",
        "True worker at 1, inside: True worker at 2",
    ]


def test_insured() -> None:
    """
    A worker that has lost its channel can still say which insured connections it
    touches: when it ends, another is given those that it did not, and no other.
    """
    assert linesOf("insured") == [
        "worker 1 read half",
        "touched: b''",
        "worker 2 read all",
    ]


@pytest.mark.parametrize("policy", ["rr", "none"])
def test_abstractName(policy: str) -> None:
    """
    Workers share a name that is no path; it is free when the cluster is closed.
    """
    assert linesOf("abstract", policy) == [
        "listening: {True}",
        "answered: [1, 2]",
        "closed",
    ]


@pytest.mark.parametrize("policy", ["rr", "none"])
@pytest.mark.parametrize("how", ["closed", "left", "killed", "succeeded"])
def test_sentPort(how: str, policy: str) -> None:
    """
    A port that a worker has sent away goes on there when no worker has it any more,
    whatever became of that one.
    """
    environment = {"TWISTED_CLUSTER_SCHED_POLICY": policy}
    assert linesOf("sentport", how, environment=environment) == [
        "the primary serves: True"
    ]


def test_suite(tmp_path: Path) -> None:
    """
    A test suite can start workers, whose ends trial hears of in each test: also after
    one in which a worker had ended before the reactor ran.
    """
    command = [sys.executable, "-m", "twisted.trial"]
    command += ["--temp-directory", str(tmp_path / "trial"), "library/suite.py"]
    with RunningProgram(command) as program:
        assert program.waitForExit() == 0, program.log
        assert program.log.matches(r"PASSED \(successes=2\)"), program.log
