"""
A worker as a hand-off port sees it: whether it may be given connections now.
"""

from __future__ import annotations

from attrs import define
from twisted.logger import Logger
from zope.interface import implementer

from twisted_cluster._primary.borrower import Borrower
from twisted_cluster.scheduling import ICandidate


@implementer(ICandidate)
@define(eq=False)
class Taker:
    """
    A worker that borrowed a hand-off port, and what it can take.

    @ivar id: The worker's number.
    @ivar loan: The number of its loan of the port.
    @ivar welcoming: Whether its port there accepts at present.
    @ivar cooling: Whether it refused some a moment ago.
    @ivar exhausted: Whether it has refused some, and not taken all of a message
        since.
    @ivar inRing: Whether the port's policy knows it.
    @ivar underway: How many connections are on their way to it.
    @ivar testing: Whether the one on its way may have been the end of another.
    """

    _log = Logger()

    id: int
    worker: Borrower
    loan: int
    welcoming: bool = False
    cooling: bool = False
    exhausted: bool = False
    inRing: bool = False
    underway: int = 0
    testing: bool = False

    @property
    def belongs(self) -> bool:
        """
        Whether it takes part when the policy chooses.
        """
        return self.welcoming and not self.cooling and self.worker.mayTakeConnections

    def hasRoom(self, isSuspect: bool, window: int) -> bool:
        """
        Whether one more connection may be on its way to it.

        @param isSuspect: Whether that one may have been the end of a worker.
        @param window: How many may be on their way at once.
        """
        # A suspect is handed over alone, so that nothing else comes back if it is
        # the end of this worker too.
        return not self.testing and self.underway < (1 if isSuspect else window)

    def chosen(self, isSuspect: bool) -> None:
        """
        One more connection, for which it L{has room<hasRoom>}, is on its way to it.
        """
        self.underway += 1
        self.testing = isSuspect

    def settled(self, count: int, tookAll: bool = False) -> None:
        """
        Connections of one message are on their way to it no more, whether it took
        them or not.
        """
        self.underway -= count
        self.testing = False
        if tookAll:
            self.exhausted = False

    def coolDown(self) -> None:
        """
        It had to refuse some: it gets none until L{cooledDown}.
        """
        if not self.exhausted:
            self._log.warn(
                "worker {id} takes no more connections: it has no descriptor left "
                "for them",
                id=self.id,
            )
        self.cooling = self.exhausted = True

    def cooledDown(self) -> None:
        """
        It may be tried again.
        """
        self.cooling = False
