"""
The accepted connections of a port that no worker has yet.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from operator import attrgetter

from twisted_cluster.interfaces import AcceptedConnection

_byArrival = attrgetter("arrival")


class ConnectionQueue:
    """
    Connections that wait, the oldest first, wherever they have been meanwhile.

    It owns their descriptors until they are taken out.

    @ivar _waiting: The connections.
    @ivar _arrivals: How many connections were ever accepted.
    """

    def __init__(self) -> None:
        self._waiting: deque[AcceptedConnection] = deque()
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[AcceptedConnection]:
        return iter(self._waiting)

    def arrived(self, connections: Sequence[AcceptedConnection]) -> None:
        """
        Connections were accepted just now.
        """
        for connection in connections:
            self._arrivals += 1
            connection.arrival = self._arrivals
        self._waiting.extend(connections)

    def cameBack(self, connections: Sequence[AcceptedConnection]) -> None:
        """
        Connections that had been taken out: they go before all that arrived later.
        """
        back = list(connections)
        # They come back one by one, and not always in the order in which they went.
        latest = max(map(_byArrival, back), default=0)
        while self._waiting and self._waiting[0].arrival < latest:
            back.append(self._waiting.popleft())
        back.sort(key=_byArrival, reverse=True)
        self._waiting.extendleft(back)

    @property
    def first(self) -> AcceptedConnection:
        """
        The connection that has waited longest.

        @raise IndexError: if there is none.
        """
        return self._waiting[0]

    def takeFirst(self) -> AcceptedConnection:
        """
        Take the first connection out; its descriptor is the caller's.

        @raise IndexError: if there is none.
        """
        return self._waiting.popleft()

    def closeFirst(self) -> None:
        """
        Close the first connection: nobody is going to serve it.

        @raise IndexError: if there is none.
        """
        os.close(self._waiting.popleft().descriptor)

    def closeAll(self) -> None:
        """
        Close all connections.
        """
        while self._waiting:
            self.closeFirst()
