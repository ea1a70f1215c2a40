"""
Tests of L{twisted_cluster._primary.insurance}.
"""

from __future__ import annotations

import os

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.insurance import Insurance
from twisted_cluster.interfaces import AcceptedConnection
from twisted_cluster.testing.ports import MemoryClient


class InsuranceTests(DescriptorsCountedTestCase):
    """
    Tests of L{Insurance}.  Each connection has the primary's descriptor only, so
    that its client sees when that is closed.
    """

    def setUp(self) -> None:
        """
        Insure three connections.
        """
        super().setUp()
        self.insurance = Insurance()
        self.clients = [MemoryClient() for _ in range(3)]
        self.connections = [client.accept() for client in self.clients]
        self.back: list[AcceptedConnection] = []
        for client in self.clients:
            self.addCleanup(client.close)
        self.insurance.cover(self.connections, self.back.extend)

    def assertOpen(self, *positions: int) -> None:
        """
        The primary still has its descriptors of these, and of no others; they are
        closed with the test.
        """
        for position, client in enumerate(self.clients):
            self.assertEqual(client.isServed, position in positions, position)
        for position in positions:
            os.close(self.connections[position].descriptor)

    def test_onItsWay(self) -> None:
        """
        While it is on its way nothing happens to it, whatever becomes of the
        worker: it is still whoever's it was.
        """
        self.assertEqual(len(self.insurance), 3)
        self.insurance.settle()
        self.assertEqual((self.back, len(self.insurance)), ([], 0))
        self.assertOpen(0, 1, 2)

    def test_taken(self) -> None:
        """
        What was taken and not touched is kept open.
        """
        for connection in self.connections:
            self.insurance.taken(connection)
        self.assertEqual(len(self.insurance), 3)
        self.assertOpen(0, 1, 2)

    def test_touchedAfterTaken(self) -> None:
        """
        What was taken is closed here when it is touched, and not before.
        """
        for connection in self.connections:
            self.insurance.taken(connection)
        self.insurance.touched([self.clients[1].inode])
        self.assertEqual(len(self.insurance), 2)
        self.assertOpen(0, 2)

    def test_touchedBeforeTaken(self) -> None:
        """
        A worker that touches a connection before it has answered for it says so
        before: then it is closed here with the answer.
        """
        self.insurance.touched([self.clients[1].inode])
        self.assertTrue(self.clients[1].isServed)
        for connection in self.connections:
            self.insurance.taken(connection)
        self.assertEqual(len(self.insurance), 2)
        self.assertEqual(
            [each.isTouched for each in self.connections], [False, True, False]
        )
        self.assertOpen(0, 2)

    def test_touchedTwice(self) -> None:
        """
        What is said twice, or of a number that means nothing, harms nothing: not
        even a descriptor that has the number of one that was closed.
        """
        for connection in self.connections:
            self.insurance.taken(connection)
        self.insurance.touched([4711, self.clients[0].inode])
        number = self.connections[0].descriptor
        self.assertEqual(os.dup(self.connections[1].descriptor), number)
        self.insurance.touched([self.clients[0].inode, self.clients[0].inode, 4711])
        self.insurance.settle()
        os.close(number)
        self.assertEqual(self.back, self.connections[1:])
        self.assertOpen(1, 2)

    def test_notCovered(self) -> None:
        """
        Of one that is not insured the worker is the only one, as soon as it took it.
        """
        self.insurance.uncover(self.connections[0])
        for connection in self.connections:
            self.insurance.taken(connection)
        self.assertOpen(1, 2)

    def test_uncovered(self) -> None:
        """
        What the worker did not take is no matter of its insurance any more, and
        neither is a word about it.
        """
        self.insurance.uncover(self.connections[2])
        self.insurance.touched([self.clients[2].inode])
        self.insurance.uncover(self.connections[2])
        for connection in self.connections[:2]:
            self.insurance.taken(connection)
        self.insurance.settle()
        self.assertEqual(self.back, self.connections[:2])
        self.assertFalse(self.connections[2].isTouched)
        self.assertOpen(0, 1, 2)

    def test_settle(self) -> None:
        """
        When the worker is lost, what it took and did not touch comes back, once.
        """
        self.insurance.taken(self.connections[2])
        self.insurance.taken(self.connections[0])
        self.insurance.taken(self.connections[1])
        self.insurance.touched([self.clients[1].inode])
        self.insurance.settle()
        self.insurance.settle()
        self.assertEqual(self.back, [self.connections[0], self.connections[2]])
        self.assertEqual(len(self.insurance), 0)
        self.assertEqual([each.losses for each in self.connections], [1, 0, 1])
        self.assertOpen(0, 2)

    def test_settleAsked(self) -> None:
        """
        A worker that was asked to leave was not lost for any of them.
        """
        for connection in self.connections:
            self.insurance.taken(connection)
        self.insurance.settle(wasAsked=True)
        self.assertEqual(self.back, self.connections)
        self.assertEqual([each.losses for each in self.connections], [0, 0, 0])
        self.assertOpen(0, 1, 2)

    def test_settleTogether(self) -> None:
        """
        Those of one port come back all at once: there may be thousands, and each time
        the queue would have to be put in order.
        """
        groups: list[list[AcceptedConnection]] = []
        self.insurance.cover(self.connections[:1], self.back.extend)
        self.insurance.cover(self.connections[1:], groups.append)
        for connection in self.connections:
            self.insurance.taken(connection)
        self.insurance.settle()
        self.assertEqual(self.back, self.connections[:1])
        self.assertEqual(groups, [self.connections[1:]])
        self.assertOpen(0, 1, 2)

    def test_void(self) -> None:
        """
        If the worker cannot say what it touches, nothing comes back: neither what it
        took, nor what it has not answered for.
        """
        self.insurance.taken(self.connections[0])
        self.insurance.void()
        self.assertTrue(self.connections[2].isTouched)
        self.insurance.taken(self.connections[1])
        self.insurance.settle()
        self.assertEqual((self.back, len(self.insurance)), ([], 0))
        self.assertOpen(2)

    def test_touchedTooLate(self) -> None:
        """
        When it has come back it is not closed for what is said of it then.
        """
        self.insurance.taken(self.connections[0])
        self.insurance.settle()
        self.insurance.touched([self.clients[0].inode])
        self.assertFalse(self.connections[0].isTouched)
        self.assertOpen(0, 1, 2)

    def test_comesBackToTheSame(self) -> None:
        """
        What comes back may be insured again by whoever gets it.
        """
        again: list[AcceptedConnection] = []

        def comesBack(connections: list[AcceptedConnection]) -> None:
            self.insurance.cover(connections, again.extend)
            for connection in connections:
                self.insurance.taken(connection)

        self.insurance.cover([self.connections[0]], comesBack)
        self.insurance.taken(self.connections[0])
        self.insurance.settle()
        self.assertEqual(again, [])
        self.insurance.settle()
        self.assertEqual(again, [self.connections[0]])
        self.assertOpen(0, 1, 2)
