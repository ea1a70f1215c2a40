"""
Carrying out the plan on the workers that there are.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tests.chaos.soak.plan import Fault, Kind
from tests.chaos.soak.steering import Client, OrderFailed, Primary

PATIENCE = 120.0
"""
Seconds after which what the course waits for is not going to happen.
"""


class SoakFailed(Exception):
    """
    The soak could not go on.
    """


@define(eq=False)
class _Worker:
    """
    A worker whose process is there.

    @ivar listening: Whether it has begun to listen.
    @ivar doomed: Whether it was killed, or told to exit.
    @ivar leaving: Whether it was told to leave.
    @ivar stopped: Whether it has SIGSTOP.
    @ivar exhausted: Whether it has no descriptors.
    @ivar flooded: Whether messages are on their way.
    """

    id: int
    pid: int
    listening: bool = False
    doomed: bool = False
    leaving: bool = False
    stopped: bool = False
    exhausted: bool = False
    flooded: bool = False

    @property
    def serves(self) -> bool:
        """
        Whether it has its port, and keeps it.
        """
        return self.listening and not self.doomed and not self.leaving


class Course:
    """
    What is done to the workers.

    @ivar primary: Who has them; set right after this object was made.
    @ivar client: The load; C{None} while there is none.
    @ivar killedAt: By worker, when it was killed, or told to exit.
    @ivar done: How often each fault was carried out.
    @ivar kills: How many workers were killed.
    @ivar messagesLost: How many messages did not arrive, or not in order.
    @ivar errors: What the primary could not do.
    @ivar unexplained: What happened though nobody did anything for it.
    """

    primary: Primary

    def __init__(
        self,
        reactor: Any,
        wanted: int,
        sendSignal: Callable[[int, int], object] = os.kill,
    ) -> None:
        """
        @param wanted: How many workers there are to be.
        @param sendSignal: Sends a process a signal.
        """
        self.client: Client | None = None
        self._sendSignal = sendSignal
        self._reactor = reactor
        self._wanted = wanted
        self._workers: dict[int, _Worker] = {}
        self._left: set[int] = set()
        self._underway = 0
        self.killedAt: dict[int, float] = {}
        self.done: Counter[Kind] = Counter()
        self.kills = 0
        self.messagesLost = 0
        self.errors: list[str] = []
        self.unexplained: list[str] = []

    def __str__(self) -> str:
        return ", ".join(f"{count} {kind.value}" for kind, count in self.done.items())

    # -- what happens

    def happened(self, fact: dict[str, Any]) -> None:
        """
        The primary tells what happened to a worker.
        """
        number = fact["worker"]
        if fact["event"] == "fork":
            self._workers[number] = _Worker(number, fact["pid"])
        elif fact["event"] == "listening":
            self._workers[number].listening = True
        elif fact["event"] == "error":
            self.errors.append(f"worker {number}: {fact['error']}")
        else:
            del self._workers[number]
            inOrder = number in self._left and fact["code"] == 0
            if number not in self.killedAt and not inOrder:
                self.unexplained.append(
                    f"worker {number} ended: {fact['code']}, {fact['signal']}"
                )

    # -- going through it

    async def run(self, faults: Iterable[Fault], enough: Callable[[], bool]) -> None:
        """
        Carry out one fault after the other, until it is enough.
        """
        for fault in faults:
            if enough():
                break
            # Most of the time there is somebody to serve.
            await self.until(lambda: len(self._serving()) > 1, "two workers serve")
            if await self._carryOut(fault):
                self.done[fault.kind] += 1
            await self._sleep(fault.pause)

    async def settle(self) -> None:
        """
        Wait until nothing is under way any more, and all workers are there.
        """
        await self.until(lambda: not self._underway, "all is carried out")
        await self.until(self._isWhole, "all workers listen")

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """
        Wait until something is so.

        @raise SoakFailed: if it takes too long, or a process has ended.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.primary.ended.called:
                raise SoakFailed("the primary has ended")
            if self.client is not None and self.client.ended.called:
                raise SoakFailed("the client has ended")
            if time.monotonic() > deadline:
                raise SoakFailed(f"not within {PATIENCE:g} s: {what}: {self._workers}")
            await self._sleep(0.02)

    def leave(self) -> None:
        """
        All workers are about to be told to leave.
        """
        self._left.update(self._workers)

    def _sleep(self, seconds: float) -> Deferred[None]:
        return deferLater(self._reactor, seconds, lambda: None)

    def _isWhole(self) -> bool:
        """
        Whether there are the workers that are wanted, and no others.
        """
        workers = self._workers.values()
        return len(workers) == self._wanted and all(each.listening for each in workers)

    def _serving(self) -> list[_Worker]:
        return [each for each in self._workers.values() if each.serves]

    # -- the faults

    async def _carryOut(self, fault: Fault) -> bool:
        """
        @return: Whether there was a worker that suited.
        """
        suiting = [
            worker
            for worker in self._workers.values()
            if self._suits(worker, fault.kind)
        ]
        if not suiting:
            return False
        worker = suiting[fault.choose(len(suiting))]
        if fault.kind is Kind.KILL:
            self._kill(worker)
        elif fault.kind is Kind.KILL_ALL:
            for each in suiting:
                self._kill(each)
        elif fault.kind is Kind.RELISTEN:
            # Nothing else begins meanwhile, so that it is not the last to have
            # the port: that would close it.
            await self._order(worker, "ask", order={"do": "relisten"})
        else:
            self._begin(_LASTING[fault.kind](self, worker, fault))
        return True

    def _suits(self, worker: _Worker, kind: Kind) -> bool:
        """
        Whether this can be done to a worker now.
        """
        if kind in (Kind.KILL, Kind.KILL_ALL):
            return worker.id not in self.killedAt
        if kind is Kind.RELISTEN:
            others = [each for each in self._serving() if each is not worker]
            free = not (worker.stopped or worker.exhausted)
            return worker.serves and free and bool(others)
        if not worker.serves:
            return False
        if kind is Kind.STOP:
            return not worker.stopped
        if kind is Kind.EXHAUST:
            return not worker.exhausted
        if kind in (Kind.FLOOD, Kind.FLOOD_KILL):
            # One at a time, as each needs memory while it lasts.
            return not any(each.flooded for each in self._workers.values())
        return True

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        """
        Do something while the course goes on.
        """
        self._underway += 1
        Deferred.fromCoroutine(doing).addErrback(
            lambda failure: self.unexplained.append(failure.getTraceback())
        ).addBoth(lambda _: self._ended())

    def _ended(self) -> None:
        self._underway -= 1

    def _signal(self, pid: int, number: int) -> None:
        """
        Send a signal.
        """
        # What has ended may not have been told yet.
        with suppress(ProcessLookupError):
            self._sendSignal(pid, number)

    def _kill(self, worker: _Worker) -> None:
        """
        SIGKILL.
        """
        worker.doomed = True
        # Before, so that whatever comes of it comes later.
        self.killedAt[worker.id] = time.monotonic()
        self._signal(worker.pid, signal.SIGKILL)
        self.kills += 1

    async def _stop(self, worker: _Worker, fault: Fault) -> None:
        """
        SIGSTOP, and SIGCONT later.
        """
        worker.stopped = True
        self._signal(worker.pid, signal.SIGSTOP)
        await self._sleep(fault.seconds)
        if worker.id in self._workers:
            self._signal(worker.pid, signal.SIGCONT)
        worker.stopped = False

    async def _roll(self, worker: _Worker, fault: Fault) -> None:
        """
        Replace it.
        """
        worker.leaving = True
        self._left.add(worker.id)
        try:
            await self.primary.order("roll", worker=worker.id)
        except OrderFailed:
            # The new one was killed before it listened, so this one stays.
            worker.leaving = False

    async def _exhaust(self, worker: _Worker, fault: Fault) -> None:
        """
        Use up its descriptors.
        """
        worker.exhausted = True
        order = {"do": "exhaust", "seconds": fault.seconds}
        await self._order(worker, "ask", order=order)
        worker.exhausted = False

    async def _flood(self, worker: _Worker, fault: Fault) -> None:
        """
        Thousands of messages.
        """
        worker.flooded = True
        self.messagesLost += await self._order(worker, "flood") or 0
        worker.flooded = False

    async def _floodAndKill(self, worker: _Worker, fault: Fault) -> None:
        """
        Kill it in the middle of a flood.
        """
        self._begin(self._flood(worker, fault))
        await self._sleep(fault.seconds / 10)
        if worker.id not in self.killedAt:
            self._kill(worker)

    async def _stallAndKill(self, worker: _Worker, fault: Fault) -> None:
        """
        Kill it while the primary stands still.
        """
        self._sendSignal(self.primary.pid, signal.SIGSTOP)
        await self._sleep(fault.seconds / 10)
        if worker.id not in self.killedAt:
            self._kill(worker)
        await self._sleep(fault.seconds / 10)
        self._sendSignal(self.primary.pid, signal.SIGCONT)

    async def _exit(self, worker: _Worker, fault: Fault) -> None:
        """
        Have it end when it has the next connection.
        """
        worker.doomed = True
        self.killedAt[worker.id] = time.monotonic()
        at = "made" if fault.seconds < 2 else "read"
        await self._order(worker, "ask", order={"do": "exit", "at": at})

    async def _order(self, worker: _Worker, name: str, **arguments: Any) -> Any:
        """
        Have something done by or with a worker.

        @return: The result; C{None} if it has ended, as it should.
        """
        try:
            return await self.primary.order(name, worker=worker.id, **arguments)
        except OrderFailed as e:
            if not (worker.doomed or worker.leaving):
                self.unexplained.append(f"worker {worker.id}: {name}: {e}")
            return None


_LASTING: dict[Kind, Callable[[Course, _Worker, Fault], Coroutine[Any, Any, None]]] = {
    Kind.STOP: Course._stop,
    Kind.ROLL: Course._roll,
    Kind.EXHAUST: Course._exhaust,
    Kind.FLOOD: Course._flood,
    Kind.FLOOD_KILL: Course._floodAndKill,
    Kind.STALL_KILL: Course._stallAndKill,
    Kind.EXIT: Course._exit,
}
