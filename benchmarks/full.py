"""
What it costs that every worker is full and clients wait.

Each worker serves a few clients at a time and no more, and all of them are
served; more clients connect, and have to wait.  Nothing happens then for some
seconds, and the processor time that is used in them is measured.  After that one
client leaves after the other, and it is measured how long it takes until the next
one is served.  Node's cluster is shown beside.

How to read it: processor time in per cent of one core, of the primary and of all
workers together; and the median and the longest time from the moment in which a
client leaves to the answer that another one gets.

The exit code is 1 if the primary of C{twistd cluster} used 1 % or more, or if not
every client was served in the end.
"""

from __future__ import annotations

import socket
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from select import select

from attrs import frozen

from benchmarks.competitors import available, clustered, nodeName, oursName
from benchmarks.figures import Spread, table
from benchmarks.processes import (
    NOTES,
    PORT,
    SERVERS,
    Competitor,
    RunningServer,
    ServerFailed,
    runMain,
    running,
)

POLICY = "rr"
BAR = 1.0

# Until whoever is served has said so, and the others wait.
SETTLE_SECONDS = 1.0
ANSWER_SECONDS = 5.0


@frozen
class Fullness:
    """
    What was measured.

    @ivar primary: Per cent of a core, of the primary.
    @ivar workers: The same of all workers.
    @ivar waits: For each client that had to wait, the seconds from the moment in
        which another left.
    @ivar unserved: How many were never served.
    """

    primary: float
    workers: float
    waits: Sequence[float]
    unserved: int


def nodeFull(workers: int, limit: int) -> Competitor:
    """
    Node's cluster.
    """
    script = str(SERVERS / "full.js")
    command = ["node", script, PORT, NOTES, str(limit), str(workers)]
    return Competitor(nodeName(POLICY), command, workers)


def oursFull(workers: int, limit: int) -> Competitor:
    """
    Our cluster.
    """
    script = str(SERVERS / "full.py")
    return clustered(workers, POLICY, script, PORT, NOTES, str(limit))


def connected(port: int) -> socket.socket:
    """
    A client that is going to stay.
    """
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"stay")
    return client


def measure(server: RunningServer, places: int, more: int, seconds: float) -> Fullness:
    """
    Fill the places, let more clients wait, and then let them in one by one.
    """
    served = [connected(server.port) for _ in range(places)]
    for client in served:
        if not select([client], [], [], ANSWER_SECONDS)[0] or not client.recv(64):
            raise ServerFailed(f"{server.competitor.name}: not all places are served")
    waiting = [connected(server.port) for _ in range(more)]
    time.sleep(SETTLE_SECONDS)
    before, begin = server.cpuTime(), time.monotonic()
    time.sleep(seconds)
    used, lasted = server.cpuTime() - before, time.monotonic() - begin
    if select(waiting, [], [], 0)[0]:
        raise ServerFailed(f"{server.competitor.name}: served more than it should")
    waits = []
    while waiting:
        left = time.monotonic()
        served.pop(0).close()
        [*ready], _, _ = select(waiting, [], [], ANSWER_SECONDS)
        if not ready or not ready[0].recv(64):
            break
        waits.append(time.monotonic() - left)
        waiting.remove(ready[0])
        served.append(ready[0])
    for client in served + waiting:
        client.close()
    percent = 100 / lasted
    return Fullness(used.primary * percent, used.workers * percent, waits, len(waiting))


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Measure, print, and return the exit code.
    """
    parser = ArgumentParser(
        prog="python -m benchmarks.full",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=2, help="for each worker")
    parser.add_argument("--waiting", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=5.0)
    options: Namespace = parser.parse_args(arguments)
    makers = [make(options.workers, options.limit) for make in (nodeFull, oursFull)]
    lines = []
    good = False
    for competitor in available(makers):
        with running(competitor) as server:
            found = measure(
                server,
                options.workers * options.limit,
                options.waiting,
                options.seconds,
            )
        waits = [1000 * wait for wait in found.waits]
        spread = Spread.of(waits) if waits else None
        lines.append(
            [
                competitor.name,
                f"{found.primary:.2f} %",
                f"{found.workers:.2f} %",
                f"{spread.middle:.1f}/{spread.greatest:.1f} ms" if spread else "-",
                str(found.unserved),
            ]
        )
        if competitor.name == oursName(POLICY):
            good = found.primary < BAR and not found.unserved
    print(
        f"{options.workers} workers with {options.limit} clients each, "
        f"{options.waiting} waiting, for {options.seconds:g} s\n"
    )
    print(table(["", "primary", "workers", "next one served", "never"], lines))
    print(f"\n{oursName(POLICY)}: {'met' if good else 'NOT met'} (below {BAR:g} %)")
    return 0 if good else 1


if __name__ == "__main__":
    runMain(main)
