"""
Tests of L{twisted_cluster._primary.taker}.
"""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit._primary.borrowers import SteppedWorker
from twisted_cluster._primary.taker import Taker
from twisted_cluster.scheduling import ICandidate


class TakerTests(SynchronousTestCase):
    """
    Tests of L{Taker}.
    """

    def setUp(self) -> None:
        """
        Have a worker that welcomes connections.
        """
        self.worker = SteppedWorker(7)
        self.taker = Taker(self.worker.id, self.worker, 700)
        self.taker.welcoming = True

    def test_interface(self) -> None:
        """
        Policies choose among them.
        """
        self.assertTrue(verifyObject(ICandidate, self.taker))
        self.assertEqual(self.taker.id, 7)

    def test_belongs(self) -> None:
        """
        It takes part while its port accepts and its worker may take connections.
        """
        self.assertTrue(self.taker.belongs)
        self.worker.mayTakeConnections = False
        self.assertFalse(self.taker.belongs)
        self.worker.mayTakeConnections = True
        self.taker.welcoming = False
        self.assertFalse(self.taker.belongs)

    def test_unwelcome(self) -> None:
        """
        It takes no part before its worker says that it welcomes connections.
        """
        self.assertFalse(Taker(7, self.worker, 700).belongs)

    def test_window(self) -> None:
        """
        No more than the window are on their way, in however many messages.
        """
        room = []
        for _ in range(3):
            room.append(self.taker.hasRoom(isSuspect=False, window=3))
            self.taker.chosen(isSuspect=False)
        room.append(self.taker.hasRoom(isSuspect=False, window=3))
        self.taker.settled(2)
        room.append(self.taker.hasRoom(isSuspect=False, window=3))
        self.assertEqual(room, [True, True, True, False, True])
        self.assertEqual(self.taker.underway, 1)

    def test_suspectAlone(self) -> None:
        """
        What may have been the end of a worker goes out when nothing else is on its
        way, and nothing follows it before it is answered for.
        """
        self.taker.chosen(isSuspect=False)
        self.assertFalse(self.taker.hasRoom(isSuspect=True, window=9))
        self.taker.settled(1)
        self.assertTrue(self.taker.hasRoom(isSuspect=True, window=9))
        self.taker.chosen(isSuspect=True)
        self.assertFalse(self.taker.hasRoom(isSuspect=False, window=9))
        self.taker.settled(1)
        self.assertTrue(self.taker.hasRoom(isSuspect=False, window=9))

    def test_cooling(self) -> None:
        """
        It takes no part while it cools down.
        """
        self.taker.coolDown()
        self.assertFalse(self.taker.belongs)
        self.taker.cooledDown()
        self.assertTrue(self.taker.belongs)

    def test_said(self) -> None:
        """
        That it has no room is said once, until it has taken all of a message.
        """
        said = []
        for tookAll in (False, False, True):
            with capturedLogs() as events:
                self.taker.coolDown()
            self.taker.cooledDown()
            said.append([formatEvent(event) for event in events])
            self.taker.chosen(isSuspect=False)
            self.taker.settled(1, tookAll)
        with capturedLogs() as events:
            self.taker.coolDown()
        said.append([formatEvent(event) for event in events])
        warning = (
            "worker 7 takes no more connections: it has no descriptor left for them"
        )
        self.assertEqual(said, [[warning], [], [], [warning]])
