"""
Which faults come, in which order: the same for the same seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import frozen


class Kind(Enum):
    """
    What can be done to a worker.
    """

    KILL = "kill"
    """SIGKILL."""
    KILL_ALL = "kill all"
    """SIGKILL to every worker at once."""
    STOP = "stop"
    """SIGSTOP, and SIGCONT seconds later."""
    ROLL = "roll"
    """Replace it: start another, and when that listens have this one leave."""
    RELISTEN = "relisten"
    """Close its port, and listen on it again."""
    EXHAUST = "exhaust"
    """Have it open descriptors until there are none left."""
    FLOOD = "flood"
    """Thousands of messages to it, and from it."""
    FLOOD_KILL = "flood and kill"
    """SIGKILL in the middle of a flood."""
    STALL_KILL = "stall and kill"
    """SIGKILL while the primary has SIGSTOP, which so has much to find out later."""
    EXIT = "exit"
    """Have it end by itself, while it has connections."""


WEIGHTS = {
    Kind.KILL: 40,
    Kind.KILL_ALL: 1,
    Kind.STOP: 10,
    Kind.ROLL: 10,
    Kind.RELISTEN: 10,
    Kind.EXHAUST: 6,
    Kind.FLOOD: 4,
    Kind.FLOOD_KILL: 4,
    Kind.STALL_KILL: 5,
    Kind.EXIT: 10,
}
"""
How often each comes, of a hundred.
"""

NODES = (Kind.KILL, Kind.ROLL)
"""
What can be done to Node's cluster, too.
"""


@frozen
class Fault:
    """
    One thing to do.

    @ivar aim: Which of the workers that suit, from 0 to 1.
    @ivar seconds: How long it lasts, if it does.
    @ivar pause: How many seconds to wait before the next.
    """

    kind: Kind
    aim: float
    seconds: float
    pause: float

    def choose(self, count: int) -> int:
        """
        Which of so many.
        """
        return min(int(self.aim * count), count - 1)


def plan(seed: int, kinds: Sequence[Kind] = tuple(Kind)) -> Iterator[Fault]:
    """
    Faults without end.  The first ones are one of each kind.
    """
    drawn = random.Random(seed)
    first = list(kinds)
    drawn.shuffle(first)
    weights = [WEIGHTS[kind] for kind in kinds]
    while True:
        kind = first.pop() if first else drawn.choices(kinds, weights)[0]
        yield Fault(
            kind,
            aim=drawn.random(),
            seconds=drawn.uniform(0.3, 4.0),
            pause=min(drawn.expovariate(2.5), 2.0),
        )
