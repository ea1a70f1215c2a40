"""
Hostile bytes for everything that reads: C{python -m tests.chaos.fuzz}.

A batch is one scene with several peers, one after the other, none of which is to be
trusted.  It follows from the seed and its number alone; what goes wrong is shown
with both, and with the bytes.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from attrs import define, field
from twisted.logger import (
    ILogObserver,
    formatEvent,
    globalLogBeginner,
    globalLogPublisher,
)
from zope.interface import implementer

from tests.chaos.besieged import Besieged, BesiegedPrimary, BesiegedWorker, Violation
from tests.chaos.countingdescriptors import CountingDescriptors

STREAMS = 25
"""How many peers a batch has."""

_TOLERATED = (
    "the responder of {name!r} failed",
    "{name!r} failed after its answer",
    "an application's responder failed",
    "{locator!r} failed to look for {name!r}",
    "the receiver of a message failed",
    "the answer to a question failed",
    "dropped a message of {size} bytes that cannot be decoded",
    "an observer of {name!r} failed: {observer!r}",
    "worker {id} failed to take {count} connections",
    "worker {id} failed when it was asked to leave",
    "no {declared} from its words",
)
"""What may be logged with a traceback: a clean refusal, or the application's mistake."""


@implementer(ILogObserver)
@define(eq=False)
class _Complaints:
    """
    What was logged that must not be.
    """

    found: list[str] = field(factory=list)

    def __call__(self, event: Any) -> None:
        """
        Look at what is logged.
        """
        failure = event.get("log_failure")
        tolerated = event.get("log_format") in _TOLERATED
        if (failure is not None or event.get("isError")) and not tolerated:
            words = formatEvent(event)
            if failure is not None:
                words += "\n" + failure.getTraceback()
            self.found.append(words)


@contextmanager
def _listening() -> Iterator[_Complaints]:
    """
    Look at what is logged meanwhile.
    """
    complaints = _Complaints()
    globalLogPublisher.addObserver(complaints)
    try:
        yield complaints
    finally:
        globalLogPublisher.removeObserver(complaints)


@define
class Finding:
    """
    Something that went wrong.

    @ivar seed: The run's seed.
    @ivar batch: Which batch.
    @ivar what: What went wrong.
    @ivar said: What was said last, channel by channel.
    """

    seed: int
    batch: int
    what: str
    said: list[str]

    def __str__(self) -> str:
        lines = [
            f"{self.what}",
            "said:",
            *self.said[-12:],
            f"again: python -m tests.chaos.fuzz --seed {self.seed} --batch {self.batch}",
        ]
        return "\n".join(lines)


def runBatch(seed: int, batch: int) -> tuple[int, Finding | None]:
    """
    Run one batch.

    @return: How many boxes there were, and what went wrong if something did.
    """
    random = Random(f"{seed} {batch}")
    side = BesiegedWorker if batch % 3 == 0 else BesiegedPrimary
    with CountingDescriptors() as descriptors, _listening() as complaints:
        scene: Besieged = side(descriptors, random)
        try:
            for _ in range(STREAMS):
                scene.hostileStream()
                _assertNothing(complaints.found + descriptors.mistakes)
            scene.close()
            _assertNothing(complaints.found + descriptors.mistakes)
        except Exception:
            said = [f"{name}: {piece!r:.2000}" for name, piece in scene.said]
            finding = Finding(seed, batch, traceback.format_exc(), said)
            return scene.boxes, finding
    return scene.boxes, None


def _assertNothing(mistakes: list[str]) -> None:
    """
    @raise Violation: if there is something.
    """
    if mistakes:
        raise Violation("\n".join(mistakes))


def run(boxes: int, seed: int, seconds: float | None = None) -> Iterator[Any]:
    """
    Run batches until there were enough boxes, or the time is over.

    @return: The number of boxes so far, and a finding or C{None}, after each.
    """
    done = 0
    batch = 0
    until = None if seconds is None else time.monotonic() + seconds
    while done < boxes and (until is None or time.monotonic() < until):
        count, finding = runBatch(seed, batch)
        done += count
        batch += 1
        if batch % 50 == 0:
            gc.collect()
        yield done, finding


def main(arguments: list[str]) -> int:
    """
    Run, and say what came of it.

    @return: The exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.fuzz")
    parser.add_argument("--boxes", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, help="stop after so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, help="run this one only")
    parser.add_argument("--findings", type=int, default=5, help="stop after so many")
    options = parser.parse_args(arguments)
    if options.batch is not None:
        done, finding = runBatch(options.seed, options.batch)
        print(finding or f"{done} boxes, nothing found")
        return finding is not None
    # Nothing of what is logged is of interest beside what is found.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    begun = time.monotonic()
    found = done = shown = 0
    for done, finding in run(options.boxes, options.seed, options.seconds):
        if finding is not None:
            found += 1
            print(finding, end="\n\n", flush=True)
            if found == options.findings:
                break
        if done // 500_000 > shown:
            shown = done // 500_000
            print(f"{done} boxes", flush=True)
    took = time.monotonic() - begun
    print(
        f"{done} boxes in {took:.0f} s, {done / took:.0f} a second, "
        f"seed {options.seed}: {found} findings"
    )
    return found > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
