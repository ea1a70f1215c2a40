"""
A worker, as the primary's ports see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from twisted_cluster._primary.insurance import Insurance
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
        Whether its reactor runs, and turns, and it has not been asked to leave.
        """

    @property
    def insurance(self) -> Insurance:
        """
        Its insured connections.
        """

    def handOff(
        self, loan: int, connections: Sequence[AcceptedConnection], insured: bool
    ) -> Deferred[Sequence[int]]:
        """
        Send connections to the worker.  The caller keeps them until the answer.

        @param insured: Whether they are covered by its insurance.

        @return: Fires with the positions of those that the worker refused; fails
            with L{TakenBack<twisted_cluster.errors.TakenBack>} if it has not seen
            them, and with L{ChannelClosed<twisted_cluster.errors.ChannelClosed>} if
            it was lost before it answered.
        """
