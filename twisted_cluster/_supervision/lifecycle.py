"""
The life of a worker, as a table.

The rules of this file:

 1. Everything that changes a worker's state is a L{Happening}, and what it
    changes is an entry of L{TRANSITIONS}.  There is no other way.
 2. An entry that is not there is impossible: L{Lifecycle.happened} raises
    L{ImpossibleTransition} and nothing has changed.
 3. Every road ends with C{CHANNEL_LOST}, then C{EXITED}, each exactly once.
    The kernel reports the two in any order; whoever holds a L{Lifecycle}
    reports the loss of the channel first, if need be because of the exit.
    So whatever it tells its observers on these two is told once and in order.
 4. Retiring is an order that holds until the end: a worker that comes up after
    it was asked to leave does not take connections for a while first.
 5. Nothing here knows Twisted, processes or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import define, field

from twisted_cluster.errors import ImpossibleTransition


class State(Enum):
    """
    How far a worker has come.
    """

    STARTING = "starting"
    """Its process was spawned, and has said nothing yet."""

    ONLINE = "online"
    """It speaks on its channel, and loads or starts its program."""

    READY = "ready"
    """The reactor of its program runs: it can take connections."""

    RETIRING = "retiring"
    """It was asked to leave, and finishes what it has begun."""

    DISCONNECTED = "disconnected"
    """Its channel is closed; its process may still live."""

    GONE = "gone"
    """Its process ended, and was reaped."""


class Happening(Enum):
    """
    What can happen to a worker.
    """

    ANNOUNCED = "announced"
    """It spoke on its channel for the first time."""

    RAN = "ran"
    """The reactor of its program began to run."""

    RETIRE_ORDERED = "retire ordered"
    """It was asked to leave; asking again changes nothing."""

    CHANNEL_LOST = "channel lost"
    """Its channel closed."""

    EXITED = "exited"
    """Its process ended, or could not be started."""


TRANSITIONS: Mapping[State, Mapping[Happening, State]] = {
    State.STARTING: {
        Happening.ANNOUNCED: State.ONLINE,
        Happening.RETIRE_ORDERED: State.RETIRING,
        Happening.CHANNEL_LOST: State.DISCONNECTED,
    },
    State.ONLINE: {
        Happening.RAN: State.READY,
        Happening.RETIRE_ORDERED: State.RETIRING,
        Happening.CHANNEL_LOST: State.DISCONNECTED,
    },
    State.READY: {
        Happening.RETIRE_ORDERED: State.RETIRING,
        Happening.CHANNEL_LOST: State.DISCONNECTED,
    },
    State.RETIRING: {
        # What it said before our order reached it.
        Happening.ANNOUNCED: State.RETIRING,
        Happening.RAN: State.RETIRING,
        Happening.RETIRE_ORDERED: State.RETIRING,
        Happening.CHANNEL_LOST: State.DISCONNECTED,
    },
    State.DISCONNECTED: {
        Happening.EXITED: State.GONE,
    },
    State.GONE: {},
}
"""
Where each happening leads from each state.
"""


@define
class Lifecycle:
    """
    Where one worker is in its life.

    @ivar _state: Begins as C{STARTING}; only L{happened} sets it.
    """

    _state: State = field(default=State.STARTING, init=False)

    @property
    def state(self) -> State:
        """
        The state that the worker is in.
        """
        return self._state

    @property
    def isConnected(self) -> bool:
        """
        Whether the channel to the worker is open, as far as is known.
        """
        return self._state not in (State.DISCONNECTED, State.GONE)

    @property
    def isLeaving(self) -> bool:
        """
        Whether the worker has been asked to leave, or has left.
        """
        return self._state not in (State.STARTING, State.ONLINE, State.READY)

    @property
    def isGone(self) -> bool:
        """
        Whether nothing is left of the worker.
        """
        return self._state is State.GONE

    @property
    def mayTakeConnections(self) -> bool:
        """
        Whether the worker serves connections, and goes on doing so.
        """
        return self._state is State.READY

    def happened(self, happening: Happening) -> State:
        """
        Change the state as C{happening} does.

        @return: The new state, which can be the old one.

        @raise ImpossibleTransition: if this cannot happen in the present state.
            Nothing has changed then.
        """
        try:
            self._state = TRANSITIONS[self._state][happening]
        except KeyError:
            raise ImpossibleTransition(
                f"a worker that is {self._state.value} cannot be told of "
                f"{happening.value!r}"
            ) from None
        return self._state


def renderTable() -> str:
    """
    Draw L{TRANSITIONS} in Graphviz's DOT language, for the documentation.

    Happenings that change nothing are left out.
    """
    lines = ["digraph lifecycle {"]
    lines += [f'    "{state.value}";' for state in State]
    lines += [
        f'    "{state.value}" -> "{after.value}" [label="{happening.value}"];'
        for state, entries in TRANSITIONS.items()
        for happening, after in entries.items()
        if after is not state
    ]
    lines.append("}")
    return "\n".join(lines) + "\n"
