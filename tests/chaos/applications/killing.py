"""
A primary that kills its workers, one after the other, while it speaks to them; and
then asks the last ones to leave, more than once.  It prints what it was told.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol

import twisted_cluster as cluster

WORKERS = 3


class Greeting(Protocol):
    """
    Serves a client: says hello, and waits.
    """

    def connectionMade(self) -> None:
        """
        Say it.
        """
        assert self.transport is not None
        self.transport.write(b"hello")


class Greeted(Protocol):
    """
    Such a client.

    @ivar greeted: Fires when it is served.
    """

    def __init__(self) -> None:
        self.greeted: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        """
        It is.
        """
        self.greeted.callback(None)


class Primary:
    """
    What is done, and what is told of it.

    @ivar events: How often what was told.
    @ivar order: For each worker, in which order.
    @ivar outcomes: What became of messages.
    """

    def __init__(self, reactor: Any, kills: int) -> None:
        self.events: Counter[str] = Counter()
        self.order: dict[int, list[str]] = {}
        self.outcomes: Counter[str] = Counter()
        self._reactor = reactor
        self._kills = kills
        self._port = 0
        for name in ("disconnect", "exit"):
            cluster.on(name, lambda worker, *_, name=name: self._told(name, worker))
        cluster.on("listening", self._listening)

    def _told(self, name: str, worker: Any) -> None:
        self.events[name] += 1
        self.order.setdefault(worker.id, []).append(name)

    def _listening(self, worker: Any, address: Any) -> None:
        self._port = address.port

    def _speak(self, worker: Any) -> None:
        """
        Send messages; nobody listens for errors.
        """
        for number in range(20):
            worker.send(["x" * 1000, number]).addCallbacks(
                lambda _: self.outcomes.update(["delivered"]),
                lambda failure: self.outcomes.update([failure.type.__name__]),
            )

    async def run(self) -> None:
        """
        Do it all.
        """
        for _ in range(WORKERS):
            await cluster.fork().whenListening()
        # What the reactor itself needs is open by now.
        await self._killOne()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(self._kills - 1):
            await self._killOne()
        after = len(os.listdir("/proc/self/fd"))
        self._say(
            "killed",
            events=dict(self.events),
            inOrder=all(told == ["disconnect", "exit"] for told in self.order.values()),
            outcomes=dict(self.outcomes),
            descriptors=[before, after],
            workers=len(cluster.workers),
        )
        await self._leave()

    async def _killOne(self) -> None:
        """
        Kill one in the middle of a conversation, and start another.
        """
        worker = next(iter(cluster.workers.values()))
        exited = worker.whenExited()
        self._speak(worker)
        assert worker.process.pid is not None
        os.kill(worker.process.pid, 9)
        self._speak(worker)
        await exited
        self._speak(worker)
        await cluster.fork().whenListening()

    async def _leave(self) -> None:
        """
        Ask everybody to leave while one has a client; and again, and again.
        """
        endpoint = TCP4ClientEndpoint(self._reactor, "127.0.0.1", self._port)
        client = await connectProtocol(endpoint, Greeted())
        await client.greeted
        told: list[str] = []

        def exited(worker: Any, code: int | None, signal: str | None) -> None:
            told.append(f"{code} {signal}")
            if len(told) == WORKERS - 1:
                # All that can leave have left.
                told.append("bye")
                assert client.transport is not None
                client.transport.loseConnection()

        cluster.on("exit", exited)
        for worker in list(cluster.workers.values()):
            worker.disconnect()
            worker.disconnect()
        done = cluster.disconnect(lambda: told.append("all"))
        cluster.disconnect()
        await done
        self._say("left", told=told)

    def _say(self, name: str, **facts: object) -> None:
        sys.stdout.write(f"{name}: {json.dumps(facts)}\n")
        sys.stdout.flush()


def main() -> None:
    """
    Be the primary, or one of the workers.
    """
    from twisted.internet import reactor as installed

    reactor: Any = installed
    if cluster.isPrimary:
        primary = Primary(reactor, int(sys.argv[1]))

        def start() -> None:
            running = Deferred.fromCoroutine(primary.run())
            running.addErrback(lambda failure: failure.printTraceback())
            running.addBoth(lambda _: reactor.stop())

        reactor.callWhenRunning(start)
    else:
        assert cluster.worker is not None
        cluster.worker.on("message", lambda message, handle: None)
        reactor.listenTCP(0, Factory.forProtocol(Greeting), interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
