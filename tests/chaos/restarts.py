"""
Start workers that end at once, thousands of them, and see that the primary does
not grow: not by a descriptor, and not by memory.

    python -m tests.chaos.restarts --count 10000

Most of the workers end before they have said a word; of eight one comes up
before it ends, and one listens.  The primary is this process.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import AsyncIterator, Sequence
from enum import Enum
from itertools import cycle
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater, react

from tests.chaos.soak.readings import read
from twisted_cluster import Cluster, isWorker
from twisted_cluster.events import WorkerExit

PER_RESTART = 0.3
"""
How many objects, or pieces of memory, the interpreter may have more for each
restart.  What leaks has one at least, what does not has none.
"""

CACHED = {"objects": 5, "pieces": 1000}
"""
How many of them, in all, may be the interpreter's own, which keeps some for later.
"""

MEMORY = 4 << 20
"""
By how many bytes the process may have grown in the end.
"""

AT_ONCE = 4
"""
How many workers there are at a time.
"""

PARTS = 10
"""
How often the process is looked at.
"""

ENDING = "ENDING_OF_WORKER"

TITLE = "  restarts  descriptors  children   objects    pieces  memory, MiB"

# The interpreter does this, and not what comes after it on the command line.
_SAYS_NOTHING = ("-S", "-c", "raise SystemExit(3)")


class Ending(Enum):
    """
    When a worker ends, and with what status.
    """

    SILENT = 3
    UP = 4
    LISTENING = 5


@frozen
class Size:
    """
    How large this process is.

    @ivar descriptors: How many are open.
    @ivar children: How many processes of its own there are.
    @ivar objects: How many objects there are that may refer to others.
    @ivar pieces: How many pieces of memory all objects have.
    @ivar memory: How much memory it has, in bytes.
    """

    descriptors: int
    children: int
    objects: int
    pieces: int
    memory: int

    def __str__(self) -> str:
        return (
            f"{self.descriptors:>11}  {self.children:>8}  {self.objects:>8}  "
            f"{self.pieces:>8}  {self.memory / (1 << 20):>10.1f}"
        )


def sizeNow() -> Size:
    """
    How large this process is, without what it only has not yet thrown away.
    """
    gc.collect()
    now = read(os.getpid())
    return Size(
        now.descriptors,
        now.children,
        len(gc.get_objects()),
        sys.getallocatedblocks(),
        now.memory,
    )


def growth(sizes: Sequence[Size], restarts: int) -> list[str]:
    """
    Judge how a process has grown.

    @param sizes: At the start, and later.
    @param restarts: How many there were from the first to the last.

    @return: What is wrong; nothing if nothing is.
    """
    first, last = sizes[0], sizes[-1]
    wrong = [
        f"the number of {name} changes"
        for name in ("descriptors", "children")
        if len({getattr(size, name) for size in sizes}) > 1
    ]
    for name, cached in CACHED.items():
        more = getattr(last, name) - getattr(first, name)
        if more > cached + restarts * PER_RESTART:
            wrong.append(f"{more} {name} more")
    if last.memory - first.memory > MEMORY:
        wrong.append(f"more than {MEMORY >> 20} MiB larger")
    return wrong


class Restarting:
    """
    Starts workers, and sees how they end.

    @ivar unexpected: How some ended that ought to have ended in another way.
    """

    def __init__(self, reactor: Any, leak: str | None) -> None:
        """
        @param leak: What to leak on purpose: C{"memory"} or C{"descriptors"}.
        """
        self._cluster = Cluster(
            reactor, exec=__file__, args=[], stdio=("ignore", "ignore", 2)
        )
        self._reactor = reactor
        self._leak = leak
        self._leaked: list[object] = []
        self._turn = DeferredSemaphore(AT_ONCE)
        self._endings = cycle([*[Ending.SILENT] * 6, Ending.UP, Ending.LISTENING])
        self.unexpected: list[str] = []

    def many(self, count: int) -> Deferred[Any]:
        """
        Start so many workers, a few at a time.

        @return: Fires when they all have ended.
        """
        return gatherResults([self._turn.run(self._one) for _ in range(count)])

    def _one(self) -> Deferred[None]:
        """
        Start a worker, and wait for its end.
        """
        ending = next(self._endings)
        silent = _SAYS_NOTHING if ending is Ending.SILENT else ()
        self._cluster.setupPrimary(execArgv=silent)
        worker = self._cluster.fork({ENDING: ending.name})
        return worker.whenExited().addCallback(self._ended, ending.value)

    def _ended(self, exit: WorkerExit, expected: int) -> None:
        """
        A worker has ended.
        """
        if exit.code != expected:
            self.unexpected.append(f"{exit}, and not status {expected}")
        if self._leak == "memory":
            self._leaked.append([])
        elif self._leak == "descriptors":
            os.dup(0)

    async def watched(self, count: int) -> AsyncIterator[tuple[int, Size]]:
        """
        Warm up, and start so many workers.

        @return: How large this process is, after how many.
        """
        await self.many(max(count // 10, 16))
        part = count // PARTS
        for done in range(0, count + 1, part):
            if done:
                await self.many(part)
            # Not in the middle of what the last one's end has set off.
            await deferLater(self._reactor, 0, lambda: None)
            yield done, sizeNow()


def end(ending: Ending) -> None:
    """
    Be a worker.
    """
    if ending is Ending.LISTENING:
        from twisted.internet import protocol, reactor

        port: Any = reactor
        port.listenTCP(0, protocol.ServerFactory(), interface="127.0.0.1")
    os._exit(ending.value)


async def run(reactor: Any, options: Namespace) -> None:
    """
    Run, and print.

    @raise SystemExit: with 1 if something is wrong.
    """
    restarting = Restarting(reactor, options.leak)
    sys.stdout.write(f"{TITLE}\n")
    sizes = []
    async for done, size in restarting.watched(options.count):
        sizes.append(size)
        sys.stdout.write(f"{done:>10}  {size}\n")
        sys.stdout.flush()
    wrong = growth(sizes, options.count) + restarting.unexpected
    sys.stdout.writelines(f"{line}\n" for line in wrong[:10])
    if wrong:
        raise SystemExit(1)


def main() -> None:
    """
    Read the command line, and run; or be a worker.
    """
    if isWorker:
        end(Ending[os.environ[ENDING]])
    parser = ArgumentParser(
        prog="python -m tests.chaos.restarts",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument(
        "--leak",
        choices=["memory", "descriptors"],
        help="leak on purpose, to see that it is noticed",
    )
    options = parser.parse_args()
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options)))


if __name__ == "__main__":
    main()
