"""
Tests of L{twisted_cluster._primary.connectionqueue}.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.connectionqueue import ConnectionQueue
from twisted_cluster.testing.ports import MemoryClient


class ConnectionQueueTests(DescriptorsCountedTestCase):
    """
    Tests of L{ConnectionQueue}.
    """

    def setUp(self) -> None:
        """
        Five clients, all of them accepted.
        """
        super().setUp()
        self.queue = ConnectionQueue()
        self.clients = [MemoryClient() for _ in range(5)]
        self.connections = [client.accept() for client in self.clients]
        for client in self.clients:
            self.addCleanup(client.close)
        self.addCleanup(self.queue.closeAll)
        self.queue.arrived(self.connections[:3])
        self.queue.arrived(self.connections[3:])

    def assertWaiting(self, positions: Iterable[int]) -> None:
        """
        These wait, in this order.
        """
        self.assertEqual(
            [*self.queue], [self.connections[position] for position in positions]
        )

    def test_order(self) -> None:
        """
        Who came first is the first.
        """
        self.assertEqual(len(self.queue), 5)
        self.assertWaiting(range(5))
        self.assertIs(self.queue.first, self.connections[0])
        self.assertIs(self.queue.takeFirst(), self.connections[0])
        self.assertWaiting([1, 2, 3, 4])
        self.queue.cameBack(self.connections[:1])

    def test_comeBack(self) -> None:
        """
        Whatever was taken out, and in whatever order and parts it comes back, it
        is in its old place.
        """
        for order in permutations(range(4)):
            taken = [self.queue.takeFirst() for _ in order]
            self.queue.cameBack([taken[position] for position in order[:2]])
            self.queue.cameBack([])
            self.queue.cameBack([taken[position] for position in order[2:]])
            self.assertWaiting(range(5))

    def test_comeBackToNewer(self) -> None:
        """
        What arrived meanwhile stays behind it.
        """
        taken = [self.queue.takeFirst() for _ in range(5)]
        self.queue.cameBack(taken[3:])
        later = MemoryClient()
        self.addCleanup(later.close)
        self.connections.append(later.accept())
        self.queue.arrived(self.connections[5:])
        self.queue.cameBack(taken[:3])
        self.assertWaiting(range(6))

    def test_close(self) -> None:
        """
        The first is closed, or all of them.
        """
        self.queue.closeFirst()
        self.assertWaiting([1, 2, 3, 4])
        self.assertEqual(
            [client.isServed for client in self.clients], [False] + [True] * 4
        )
        self.queue.closeAll()
        self.assertEqual(len(self.queue), 0)
        self.assertEqual([client.isServed for client in self.clients], [False] * 5)

    def test_empty(self) -> None:
        """
        Of none there is no first.
        """
        queue = ConnectionQueue()
        queue.closeAll()
        for ask in (lambda: queue.first, queue.takeFirst, queue.closeFirst):
            self.assertRaises(IndexError, ask)
