"""
The cluster that a soak is about: a program with this package as a library,
which keeps so many workers, and does what its standard input says.

    python -m tests.chaos.soak.primary WORKERS PORT TAKEN [insured]

Each line is JSON.  A line that comes in is an order with a number; the answer has
the same number.  Lines without a number tell what happens to workers.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import defer, task
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from twisted_cluster import Cluster
from twisted_cluster.settings import HandoffSettings

QUEUE_LIMIT = 64
"""
Fewer than there are clients, so that the queue is full when no worker is there.
"""

PATIENCE = 60.0
"""
Seconds that an answer of a worker may take.
"""

_FLOOD = 5000


class Soaked:
    """
    The cluster, and what can be done with it.

    @ivar _counts: By worker, how many messages came in the flood that is on, and
        how many out of order.
    """

    def __init__(
        self, cluster: Cluster, wanted: int, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self._cluster = cluster
        self._wanted = wanted
        self._tell = tell
        self._counts: dict[int, list[int]] = {}
        cluster.on("fork", self._forked)
        cluster.on("listening", self._listening)
        cluster.on("exit", self._exited)
        cluster.on("error", self._failed)
        cluster.on("message", self._received)

    def fill(self) -> None:
        """
        Start as many workers as are missing.
        """
        staying = [
            worker
            for worker in self._cluster.workers.values()
            if not worker.exitedAfterDisconnect
        ]
        for _ in range(self._wanted - len(staying)):
            self._cluster.fork()

    def _forked(self, worker: Any) -> None:
        self._tell({"event": "fork", "worker": worker.id, "pid": worker.process.pid})

    def _listening(self, worker: Any, address: Any) -> None:
        self._tell({"event": "listening", "worker": worker.id})

    def _exited(self, worker: Any, code: int | None, signal: str | None) -> None:
        self._tell(
            {"event": "exit", "worker": worker.id, "code": code, "signal": signal}
        )
        if self._wanted:
            self.fill()

    def _failed(self, worker: Any, error: Exception) -> None:
        self._tell({"event": "error", "worker": worker.id, "error": str(error)})

    def _received(self, worker: Any, message: Any, along: object) -> None:
        counts = self._counts.setdefault(worker.id, [0, 0])
        counts[1] += message["number"] != counts[0]
        counts[0] += 1

    async def roll(self, worker: int) -> None:
        """
        Start another, and when it listens have this one leave.
        """
        successor = self._cluster.fork()
        await successor.whenListening()
        if worker in self._cluster.workers:
            self._cluster.workers[worker].disconnect()

    async def ask(self, worker: int, order: dict[str, Any]) -> Any:
        """
        Have a worker do something.
        """
        return await self._cluster.workers[worker].ask(order, timeout=PATIENCE)

    async def flood(self, worker: int) -> int:
        """
        Send a worker many messages, and have it send as many.

        @return: How many were lost, or came out of order.
        """
        to = self._cluster.workers[worker]
        self._counts.pop(worker, None)
        await defer.gatherResults(
            [
                to.ask({"do": "flood", "count": _FLOOD, "size": 200}, PATIENCE),
                *(
                    to.send({"number": number, "padding": "x" * 200})
                    for number in range(_FLOOD)
                ),
            ],
            consumeErrors=True,
        )
        there = await to.ask({"do": "flooded"}, PATIENCE)
        here = self._counts.pop(worker, [0, 0])
        return sum(abs(count - _FLOOD) + disorder for count, disorder in (here, there))

    async def collect(self) -> None:
        """
        Have the memory be what is really needed.
        """
        gc.collect()

    async def stop(self) -> None:
        """
        Have all workers leave.
        """
        self._wanted = 0
        await self._cluster.disconnect()


class Orders(LineOnlyReceiver):
    """
    Carries out what comes in.
    """

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, whenLost: Callable[[], object]) -> None:
        self.soaked: Soaked | None = None
        self._whenLost = whenLost

    def tell(self, fact: dict[str, Any]) -> None:
        """
        Write a line.
        """
        self.sendLine(json.dumps(fact).encode())

    def lineReceived(self, line: bytes) -> None:
        """
        Carry out an order.
        """
        order = json.loads(line)
        number, name = order.pop("id"), order.pop("do")
        doing = defer.ensureDeferred(getattr(self.soaked, name)(**order))
        doing.addCallbacks(
            lambda result: self.tell({"id": number, "result": result}),
            lambda failure: self.tell({"id": number, "error": _shown(failure)}),
        )

    def connectionLost(self, reason: Failure | None = None) -> None:
        """
        Nobody is there any more.
        """
        self._whenLost()


def _shown(failure: Failure) -> str:
    """
    What went wrong, in a line.
    """
    while isinstance(failure.value, defer.FirstError):
        failure = failure.value.subFailure
    return f"{type(failure.value).__name__}: {failure.getErrorMessage()}"


def main(reactor: Any, workers: str, port: str, taken: str, *options: str) -> Any:
    """
    Run until standard input ends.
    """
    settings: dict[str, Any] = dict.fromkeys(options, True)
    handoff = HandoffSettings(queueLimit=QUEUE_LIMIT, **settings)
    cluster = Cluster(
        reactor,
        handoff=handoff,
        exec="-m tests.chaos.soak.application",
        args=[port, taken],
        # Standard output is for answers.
        stdio=("ignore", 2, 2),
    )
    over: defer.Deferred[None] = defer.Deferred()
    orders = Orders(lambda: over.callback(None))
    StandardIO(orders, reactor=reactor)
    orders.soaked = Soaked(cluster, int(workers), orders.tell)
    orders.soaked.fill()
    return over


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
