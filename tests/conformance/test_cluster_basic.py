"""
Node's C{test-cluster-basic}: a worker's life in events, each told once to the
worker's observers and to the cluster's.
"""

from __future__ import annotations

import os

from attrs import asdict

import twisted_cluster as cluster
from tests.conformance.programs import (
    REACTOR_VARIABLE,
    ProgramTests,
    happening,
    mustCall,
    nextTurn,
    play,
    reactor,
    same,
    saw,
    serving,
)

ADAPTED = (
    "C{kill} sends SIGTERM, which a Twisted program takes for an order to stop: it "
    "ends with exit status 0, where Node has the signal."
)


class BasicTests(ProgramTests):
    """
    The test.
    """

    def test_basic(self) -> None:
        """
        Each event is told once, in order, with its arguments, and the worker's
        state is the one that belongs to it.
        """
        seen = self.perform()
        self.assertEqual(
            seen["event"],
            [
                ["cluster", "fork", "none"],
                ["worker", "online", "online"],
                ["cluster", "online", "online"],
                ["worker", "listening", "listening"],
                ["cluster", "listening", "listening"],
                ["worker", "disconnect", "disconnected"],
                ["cluster", "disconnect", "disconnected"],
                ["worker", "exit", "dead"],
                ["cluster", "exit", "dead"],
            ],
        )
        [address] = seen["address"]
        port = address.pop("port")
        self.assertTrue(1 <= port <= 65535, port)
        self.assertEqual(
            address, {"address": "127.0.0.1", "addressType": 4, "fd": None}
        )
        self.assertEqual(seen["exit"], [[0, None]])
        self.assertEqual(seen["variables"], [[], []])


async def primary() -> None:
    """
    Watch one worker, and kill it when it listens.
    """
    saw("variables", markers())
    worker = cluster.fork()
    same(worker.id, 1)
    same(isinstance(worker, cluster.Worker), True)
    same(cluster.workers, {1: worker})
    for name in ("online", "listening", "disconnect", "exit"):
        worker.on(
            name,
            mustCall(
                lambda *_, name=name: saw("event", ["worker", name, worker.state])
            ),
        )
    for name in ("fork", "online", "listening", "disconnect", "exit"):

        def told(which: object, *_: object, name: str = name) -> None:
            same(which, worker)
            saw("event", ["cluster", name, worker.state])

        cluster.on(name, mustCall(told))
    [address] = await happening(worker, "listening")
    same(await worker.whenListening(), address)
    saw("address", asdict(address))
    worker.kill()
    ended = await happening(worker, "exit")
    same(ended, (worker.process.exitCode, worker.process.signalCode))
    saw("exit", list(ended))
    await nextTurn()
    same(cluster.workers, {})


async def worker() -> None:
    """
    Listen.
    """
    saw("variables", markers())
    reactor().listenTCP(0, serving(), interface="127.0.0.1")


def markers() -> list[str]:
    """
    The variables that mark a worker's process.
    """
    unmarked = {REACTOR_VARIABLE, "TWISTED_CLUSTER_SCHED_POLICY"}
    return [
        name
        for name in os.environ
        if name.startswith("TWISTED_CLUSTER") and name not in unmarked
    ]


if __name__ == "__main__":
    play(primary, worker)
