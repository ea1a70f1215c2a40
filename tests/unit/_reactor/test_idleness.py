"""
Tests of L{twisted_cluster._reactor.idleness}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit._reactor.turning import TurningReactor
from twisted_cluster._reactor.idleness import Idleness


class IdlenessTests(SynchronousTestCase):
    """
    Tests of L{Idleness}.
    """

    def setUp(self) -> None:
        """
        Make a reactor.
        """
        self.reactor = TurningReactor()

    def test_idle(self) -> None:
        """
        It is idle when the reactor waits for nothing but what is its own, at
        the end of a turn.
        """
        self.reactor.readers.append("outgoing")
        idleness = Idleness(self.reactor)
        idle = idleness.when()
        self.reactor.removeReader("outgoing")
        self.reactor.writers.append("outgoing")
        self.reactor.turn()
        self.assertNoResult(idle)
        self.reactor.removeWriter("outgoing")
        self.assertNoResult(idle)
        self.reactor.turn()
        self.successResultOf(idle)
        self.successResultOf(idleness.when())

    def test_idleAtOnce(self) -> None:
        """
        That may be so already.
        """
        self.successResultOf(Idleness(self.reactor).when())
