"""
Tests of L{twisted_cluster._worker.takinglink}.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.descriptors import inodeOf
from twisted_cluster._wire.toprimary import StartTaking, StopTaking, Touched
from twisted_cluster._wire.toworker import TakeConnections
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster.interfaces import IBorrowedPort
from twisted_cluster.testing.channels import connectedChannels
from twisted_cluster.testing.ports import MemoryClient


class ScriptedPrimary(Channel):
    """
    The primary's end: hears, and sends connections.

    @ivar heard: What the worker said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, int]] = []

    @responds(StartTaking)
    def startTaking(self, loan: int) -> dict[str, Any]:
        """
        Connections are welcome.
        """
        self.heard.append(("start", loan))
        return {}

    @responds(StopTaking)
    def stopTaking(self, loan: int) -> dict[str, Any]:
        """
        Connections are not welcome.
        """
        self.heard.append(("stop", loan))
        return {}

    @responds(Touched)
    def touched(self, inodes: Sequence[int]) -> dict[str, Any]:
        """
        Insured connections are the worker's.
        """
        self.heard += [("touched", inode) for inode in inodes]
        return {}


@implementer(IBorrowedPort)
class KeepingPort:
    """
    A port that keeps what it takes.

    @ivar refusing: Which positions it refuses of what comes next.
    @ivar held: What it took.
    @ivar insured: For each time, whether that was insured.
    """

    def __init__(self) -> None:
        self.refusing: Sequence[int] = ()
        self.held: list[int] = []
        self.insured: list[bool] = []

    def takeConnections(
        self, descriptors: Sequence[int], insured: bool
    ) -> Sequence[int]:
        """
        Take all but those that are to be refused.
        """
        self.insured.append(insured)
        refused = [n for n in self.refusing if n < len(descriptors)]
        self.held += [
            descriptor
            for position, descriptor in enumerate(descriptors)
            if position not in refused
        ]
        return refused

    @property
    def inodes(self) -> list[int]:
        """
        The inodes of what it took.
        """
        return [inodeOf(descriptor) for descriptor in self.held]

    def close(self) -> None:
        """
        Close everything.
        """
        for descriptor in self.held:
            os.close(descriptor)
        self.held = []


class FailingPort(KeepingPort):
    """
    A port with a mistake in it.
    """

    def takeConnections(
        self, descriptors: Sequence[int], insured: bool
    ) -> Sequence[int]:
        """
        Keep the descriptors, and fail.
        """
        super().takeConnections(descriptors, insured)
        raise ValueError("a mistake")


class Hand:
    """
    Connections in the primary's hand, and the channel to hand them over.

    @ivar clients: Their clients.
    @ivar inodes: What the primary says that they are.
    """

    def __init__(self, count: int) -> None:
        self.link = TakingLink()
        self.primary = ScriptedPrimary()
        self.pump = connectedChannels(self.primary, self.link)
        self.clients = [MemoryClient() for _ in range(count)]
        self._accepted = [client.accept() for client in self.clients]
        self.inodes = [connection.inode for connection in self._accepted]
        self.port = KeepingPort()

    def welcome(self, port: KeepingPort, loan: int = 5) -> None:
        """
        Have a port of the worker's take connections.
        """
        self.port = port
        self.link.startTaking(loan, port)

    def send(
        self,
        loan: int = 5,
        insured: bool | None = None,
    ) -> Deferred[dict[str, Any]]:
        """
        Hand the connections over.
        """
        answered = self.primary.callRemote(
            TakeConnections,
            loan=loan,
            inodes=self.inodes,
            descriptors=[connection.descriptor for connection in self._accepted],
            insured=insured,
        )
        self.pump.flush()
        return answered

    def letGo(self) -> None:
        """
        Close the primary's own descriptors, so that only the worker's count.
        """
        for connection in self._accepted:
            os.close(connection.descriptor)
        self._accepted = []

    def served(self) -> list[bool]:
        """
        Which clients' connections the worker holds.
        """
        self.letGo()
        return [client.isServed for client in self.clients]

    def close(self) -> None:
        """
        Close everything.
        """
        self.letGo()
        self.port.close()
        self.pump.lose()
        for client in self.clients:
            client.close()


class LinkCase(DescriptorsCountedTestCase):
    """
    A worker with a link, and three connections for it.
    """

    def setUp(self) -> None:
        """
        Connect the channel.
        """
        super().setUp()
        self.hand = Hand(3)
        self.addCleanup(self.hand.close)

    def refusedOf(self, answered: Deferred[dict[str, Any]]) -> list[int]:
        """
        Which positions the answer refuses.
        """
        return list(self.successResultOf(answered)["refused"])


class TakingTests(LinkCase):
    """
    What becomes of connections that arrive.
    """

    def test_taken(self) -> None:
        """
        They go to the port of their loan, in order.
        """
        self.hand.welcome(KeepingPort())
        self.assertEqual(self.refusedOf(self.hand.send()), [])
        self.assertEqual(self.hand.port.inodes, self.hand.inodes)
        self.assertEqual(self.hand.served(), [True, True, True])

    def test_insured(self) -> None:
        """
        The port is told which are insured.
        """
        self.hand.welcome(KeepingPort())
        self.hand.send()
        self.hand.send(insured=True)
        self.assertEqual(self.hand.port.insured, [False, True])

    def test_unknownLoan(self) -> None:
        """
        Those for a port that is not there are refused and closed.
        """
        self.hand.welcome(KeepingPort())
        self.assertEqual(self.refusedOf(self.hand.send(loan=6)), [0, 1, 2])
        self.assertEqual(self.hand.served(), [False, False, False])

    def test_paused(self) -> None:
        """
        So are those for a port that takes none for now, until it does again.
        """
        self.hand.welcome(KeepingPort())
        self.hand.link.stopTaking(5)
        self.assertEqual(self.refusedOf(self.hand.send()), [0, 1, 2])
        self.hand.welcome(self.hand.port)
        self.assertEqual(self.refusedOf(self.hand.send()), [])

    def test_portRefuses(self) -> None:
        """
        What the port refuses is refused, and closed for it.
        """
        self.hand.welcome(KeepingPort())
        self.hand.port.refusing = [0, 2]
        self.assertEqual(self.refusedOf(self.hand.send()), [0, 2])
        self.assertEqual(self.hand.served(), [False, True, False])

    def test_truncated(self) -> None:
        """
        What did not fit into this process is refused, and the rest taken.
        """
        self.hand.welcome(KeepingPort())
        self.hand.pump.second.truncations.append(2)
        with capturedLogs() as events:
            self.assertEqual(self.refusedOf(self.hand.send()), [2])
        self.assertEqual(self.hand.port.inodes, self.hand.inodes[:2])
        self.assertEqual((events[0]["missing"], events[0]["count"]), (1, 3))

    def test_nothingArrived(self) -> None:
        """
        If nothing fitted, everything is refused; the next is taken.
        """
        self.hand.welcome(KeepingPort())
        self.hand.pump.second.truncations.append(0)
        self.assertEqual(self.refusedOf(self.hand.send()), [0, 1, 2])
        self.assertEqual(self.refusedOf(self.hand.send()), [])

    def test_truncatedAgain(self) -> None:
        """
        That there is no room is said once, until there was.
        """
        self.hand.welcome(KeepingPort())
        said = []
        for truncations in ([0], [2], [], [1]):
            self.hand.pump.second.truncations.extend(truncations)
            with capturedLogs() as events:
                self.hand.send()
            said.append(len(events))
        self.assertEqual(said, [1, 0, 0, 1])

    def test_truncatedAndRefused(self) -> None:
        """
        Positions are those of what was sent, not of what arrived.
        """
        self.hand.welcome(KeepingPort())
        self.hand.inodes = [self.hand.inodes[n] for n in (2, 0, 1)]
        self.hand.pump.second.truncations.append(2)
        self.hand.port.refusing = [1]
        # The first and the second connection arrive; by their inodes they are
        # at positions 1 and 2, and the port refuses the second.
        self.assertEqual(self.refusedOf(self.hand.send()), [0, 2])
        self.assertEqual(self.hand.served(), [True, False, False])

    def test_otherConnections(self) -> None:
        """
        Descriptors that are not those that were meant are refused, all of them,
        and closed: a client must not be given to another one's port.
        """
        self.hand.welcome(KeepingPort())
        self.hand.inodes.reverse()
        with capturedLogs() as events:
            self.assertEqual(self.refusedOf(self.hand.send()), [0, 1, 2])
        self.assertEqual(len(events), 1)
        self.assertEqual(self.hand.served(), [False, False, False])

    def test_strangerAmongTheRest(self) -> None:
        """
        Nor is one of a truncated group taken that was not meant.
        """
        self.hand.welcome(KeepingPort())
        self.hand.inodes[0] = 12345678901
        self.hand.pump.second.truncations.append(2)
        self.assertEqual(self.refusedOf(self.hand.send()), [0, 2])
        self.assertEqual(self.hand.served(), [False, True, False])

    def test_portFails(self) -> None:
        """
        A port that fails does not close the channel, and is not blamed on the
        connections that come next.
        """
        self.hand.welcome(FailingPort())
        self.failureResultOf(self.hand.send())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.hand.port.close()
        self.hand.welcome(KeepingPort())
        self.assertEqual(self.refusedOf(self.hand.send()), [])


class SayingTests(LinkCase):
    """
    What the worker says.
    """

    def test_says(self) -> None:
        """
        It says which ports welcome connections, and which insured connections it
        touches.
        """
        self.hand.link.startTaking(5, self.hand.port)
        self.hand.link.touch(4711)
        self.hand.link.stopTaking(5)
        self.hand.pump.flush()
        self.assertEqual(
            self.hand.primary.heard, [("start", 5), ("touched", 4711), ("stop", 5)]
        )

    def test_stopsOnce(self) -> None:
        """
        It says only once that a port is paused.
        """
        self.hand.link.stopTaking(5)
        self.hand.link.startTaking(5, self.hand.port)
        self.hand.link.stopTaking(5)
        self.hand.link.stopTaking(5)
        self.hand.pump.flush()
        self.assertEqual(self.hand.primary.heard, [("start", 5), ("stop", 5)])

    def test_hasTold(self) -> None:
        """
        It knows whether the kernel has all that it said.
        """
        self.assertTrue(self.hand.link.hasTold)
        self.hand.link.touch(4711)
        self.assertFalse(self.hand.link.hasTold)
        self.hand.pump.flush()
        self.assertTrue(self.hand.link.hasTold)

    def test_primaryLost(self) -> None:
        """
        What is said when the channel is closed is heard by nobody, harms nobody,
        and is not waited for.
        """
        self.hand.pump.lose()
        self.hand.link.startTaking(5, self.hand.port)
        self.hand.link.touch(4711)
        self.hand.link.stopTaking(5)
        self.assertTrue(self.hand.link.hasTold)
        self.assertEqual(self.hand.primary.heard, [])


class OwnershipTests(SynchronousTestCase):
    """
    Whatever arrives, nothing is kept open that nobody took.
    """

    @given(data=st.data(), count=st.integers(1, 6))
    @profile(max_examples=80, deadline=None)
    def test_closed(self, data: st.DataObject, count: int) -> None:
        """
        Of what arrives, in any order and in part, exactly that stays open
        which the answer does not refuse.
        """
        hand = Hand(count)
        try:
            positions = range(count)
            hand.welcome(KeepingPort())
            hand.port.refusing = sorted(data.draw(st.sets(st.sampled_from(positions))))
            sent = list(hand.inodes)
            hand.inodes = data.draw(st.permutations(hand.inodes))
            hand.pump.second.truncations.append(data.draw(st.integers(0, count)))
            refused = set(self.successResultOf(hand.send())["refused"])
            taken = {
                inode
                for position, inode in enumerate(hand.inodes)
                if position not in refused
            }
            self.assertEqual(set(hand.port.inodes), taken)
            self.assertEqual(hand.served(), [inode in taken for inode in sent])
        finally:
            hand.close()
