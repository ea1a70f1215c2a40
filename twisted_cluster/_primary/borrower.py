"""
A worker, as the primary's ports see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from twisted_cluster.interfaces import AcceptedConnection


class Borrower(Protocol):
    """
    Who borrows a port, and what it can be asked.
    """

    @property
    def id(self) -> int:
        """
        The worker's number.
        """

    @property
    def mayTakeConnections(self) -> bool:
        """
        Whether its reactor runs and it has not been asked to leave.
        """

    def handOff(
        self, loan: int, connections: Sequence[AcceptedConnection]
    ) -> Deferred[Sequence[int]]:
        """
        Send connections to the worker.  The caller keeps them until the answer.

        @return: Fires with the positions of those that the worker refused; fails
            if the worker was lost before it answered.
        """
