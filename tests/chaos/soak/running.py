"""
One run: the primary, the load and the faults brought together.
"""

from __future__ import annotations

import socket
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from random import SystemRandom
from typing import Any, BinaryIO

from twisted.internet.error import ProcessDone
from twisted.internet.task import LoopingCall, deferLater

from tests.chaos.soak import report
from tests.chaos.soak.course import Course, SoakFailed
from tests.chaos.soak.ledgers import OutcomeLedger, TakenLedger
from tests.chaos.soak.oracle import judge
from tests.chaos.soak.plan import Fault, plan
from tests.chaos.soak.readings import Reading, memoryOf, read, sessionMembers
from tests.chaos.soak.steering import (
    Client,
    Primary,
    clientCommand,
    nodesCommand,
    oursCommand,
)

WARM_UP = 20
"""
How many faults come before the primary's memory is looked at for the first time.
"""

QUIET = 8
"""
How often in a row, a quarter of a second apart, the primary has to look the same.
"""

RESTLESS = 100
"""
How often it is looked at, at most.
"""

_FASTEST = 20_000
_PROGRESS = 10.0


class Soak:
    """
    One run.

    @ivar course: What is done to the workers.
    @ivar _next: The number of the next connection.
    @ivar _finished: How many have ended, without those of the load that is on.
    @ivar _until: When it has lasted long enough; set after the warm-up.
    @ivar _peak: The most memory that the primary was seen to have.
    """

    def __init__(
        self, reactor: Any, options: Namespace, folder: Path, log: BinaryIO
    ) -> None:
        """
        @param options: As the command line has them.
        @param folder: Where to keep the ledgers.
        @param log: What the processes have to say.
        """
        self._reactor = reactor
        self._options = options
        self._log = log
        capacity = max(options.connections * 2, int(options.minutes * 60 * _FASTEST))
        capacity += 1_000_000
        self._paths = folder / "taken", folder / "outcomes"
        self._taken = TakenLedger.create(self._paths[0], capacity)
        self._outcomes = OutcomeLedger.create(self._paths[1], capacity)
        self._port = _freePort()
        self._next = 0
        self._finished = 0
        self._peak = 0
        self._until = 0.0
        self.course = Course(reactor, options.workers)
        self._primary = self.course.primary = Primary(log, self.course.happened)

    async def run(self) -> list[report.Row]:
        """
        Run it.

        @return: The table.

        @raise SoakFailed: if that is impossible.
        """
        primary = self._primary
        primary.start(self._reactor, self._command())
        telling = LoopingCall(self._tell)
        telling.start(_PROGRESS, now=False)
        try:
            start, end = await self._soak()
            self.course.leave()
            await primary.order("stop")
            await primary.finish()
        finally:
            telling.stop()
            primary.kill()
        left = len(sessionMembers(primary.pid))
        verdict = judge(
            zip(
                self._outcomes.records(self._next),
                self._taken.records(self._next),
                strict=True,
            ),
            self.course.killedAt,
            insured=self._options.insured,
        )
        had = report.Primary(start, end, max(self._peak, end.memory), left)
        return report.rows(verdict, self.course, had)

    def _command(self) -> list[str]:
        """
        How to run the primary.
        """
        place = self._options.workers, self._port, self._paths[0]
        if self._options.against:
            return nodesCommand(*place)
        return oursCommand(*place, insured=self._options.insured)

    async def _soak(self) -> tuple[Reading, Reading]:
        """
        All that is done under load.

        @return: What the primary had before and after.
        """
        await self.course.settle()
        faults = plan(self._options.seed, self._options.kinds)
        await self._underLoad(islice(faults, WARM_UP), lambda: False)
        start = await self._quiet()
        self._until = time.monotonic() + self._options.minutes * 60
        await self._underLoad(faults, self._isEnough)
        return start, await self._quiet()

    async def _underLoad(
        self, faults: Iterable[Fault], enough: Callable[[], bool]
    ) -> None:
        """
        Carry out faults while clients connect.
        """
        client = self.course.client = Client(self._log)
        place = self._port, self._paths[1]
        client.start(
            self._reactor, clientCommand(*place, self._next, self._options.concurrency)
        )
        try:
            await self.course.run(faults, enough)
            await self.course.settle()
            ended = await client.finish()
        finally:
            client.kill()
        if not isinstance(ended, ProcessDone):
            raise SoakFailed(f"the client failed: {ended}")
        self._finished += client.finished
        self._next = client.next
        self.course.client = None

    def _count(self) -> int:
        """
        How many connections have ended.
        """
        client = self.course.client
        return self._finished + (client.finished if client else 0)

    def _isEnough(self) -> bool:
        """
        Whether the run may end.
        """
        wanted: tuple[int, int] = self._options.connections, self._options.kills
        return (
            time.monotonic() > self._until
            and self._count() >= wanted[0]
            and self.course.kills >= wanted[1]
        )

    async def _quiet(self) -> Reading:
        """
        @return: What the primary has when nothing happens, and nothing has happened
            for a while.
        """
        readings: list[Reading] = []
        while len(readings) < QUIET or not all(
            readings[-1].isLike(reading) for reading in readings[-QUIET:]
        ):
            await self.course.settle()
            await self._primary.order("collect")
            readings.append(read(self._primary.pid))
            if len(readings) > RESTLESS:
                raise SoakFailed("the primary does not come to rest")
            await deferLater(self._reactor, 0.25, lambda: None)
        return readings[-1]

    def _tell(self) -> None:
        """
        Say how far it is, and look how much memory the primary has.
        """
        memory = memoryOf(self._primary.pid)
        self._peak = max(self._peak, memory)
        print(  # noqa: T201
            f"{self._count()} connections, {self.course.kills} kills; the primary has "
            f"{memory >> 20} MiB; {self.course}",
            file=sys.stderr,
            flush=True,
        )


def _freePort() -> int:
    """
    A port that nothing listens on, and that the kernel chooses for nobody.
    """
    while True:
        port = SystemRandom().randrange(10_000, 20_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
