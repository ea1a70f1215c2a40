"""
What is compared: Node's cluster, Twisted by itself, and Twisted in our cluster.

The server is the same for the two with Twisted, one unmodified script; Node's
is its equivalent.
"""

from __future__ import annotations

import sys

from benchmarks.processes import (
    NOTES,
    PORT,
    SERVERS,
    Competitor,
    twistdCommand,
    whyNoNode,
    whyNoTwistdCluster,
)

PLAIN = "Twisted alone"


def nodeName(policy: str) -> str:
    """
    What the tables call Node's cluster.
    """
    return f"Node, {policy}"


def oursName(policy: str) -> str:
    """
    What the tables call our cluster.
    """
    return f"twistd cluster, {policy}"


def node(workers: int, policy: str, answer: str) -> Competitor:
    """
    Node's cluster.
    """
    script = str(SERVERS / "answer.js")
    return Competitor(
        nodeName(policy),
        ["node", script, PORT, NOTES, answer, str(workers), policy],
        workers,
    )


def plain(answer: str) -> Competitor:
    """
    One process of Twisted, without cluster.
    """
    script = str(SERVERS / "answer.py")
    return Competitor(PLAIN, [sys.executable, script, PORT, NOTES, answer], 0)


def clustered(workers: int, policy: str, *program: str) -> Competitor:
    """
    A program in our cluster.

    @param program: The path of a script, and its arguments.
    """
    options = ["--workers", str(workers), "--policy", policy]
    return Competitor(
        oursName(policy),
        [*twistdCommand(), "cluster", *options, *program],
        workers,
    )


def ours(workers: int, policy: str, answer: str) -> Competitor:
    """
    The script of L{plain}, in our cluster.
    """
    script = str(SERVERS / "answer.py")
    return clustered(workers, policy, script, PORT, NOTES, answer)


def available(competitors: list[Competitor]) -> list[Competitor]:
    """
    Those that can be run here; says why of each other one.
    """
    reasons: dict[str, str | None] = {
        "node": whyNoNode(),
        twistdCommand()[0]: whyNoTwistdCluster(),
    }
    found = []
    for competitor in competitors:
        reason = reasons.get(competitor.command[0])
        if reason is None:
            found.append(competitor)
        else:
            print(f"skipped: {competitor.name}: {reason}")
    return found
