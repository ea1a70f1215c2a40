"""
Tests of L{twisted_cluster._primary.handofflink}.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._primary.handofflink import HandoffLink
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.handofftransport import HandoffTransport, handoffPair
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.toprimary import StartTaking, StopTaking, Touched
from twisted_cluster._wire.toworker import TakeConnections
from twisted_cluster.errors import ChannelClosed, TakenBack
from twisted_cluster.interfaces import AcceptedConnection
from twisted_cluster.testing.channels import ChannelPump, connectedChannels
from twisted_cluster.testing.ports import MemoryClient


class AnsweringWorker(Channel):
    """
    The worker's end.

    @ivar asked: What it has read and not answered.
    @ivar read: Of everything that it has read, loan, inodes, whether it is insured.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Deferred[dict[str, Any]]] = []
        self.read: list[tuple[int, list[int], bool | None]] = []

    @responds(TakeConnections)
    def takeConnections(
        self,
        loan: int,
        inodes: Sequence[int],
        descriptors: list[int],
        insured: bool | None,
    ) -> Deferred[dict[str, Any]]:
        """
        Answer when the test says so.
        """
        for descriptor in descriptors:
            os.close(descriptor)
        self.read.append((loan, list(inodes), insured))
        self.asked.append(Deferred())
        return self.asked[-1]

    def answer(self, refused: Sequence[int] = ()) -> None:
        """
        Answer the oldest question.
        """
        self.asked.pop(0).callback({"refused": refused})


class HearingHandle:
    """
    What a worker's handle hears of its hand-off channel.
    """

    id = 7

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def startTaking(self, loan: int) -> None:
        """
        Keep it.
        """
        self.heard.append(("start", loan))

    def stopTaking(self, loan: int) -> None:
        """
        Keep it.
        """
        self.heard.append(("stop", loan))

    def touched(self, inodes: Sequence[int]) -> None:
        """
        Keep it.
        """
        self.heard.append(("touched", *inodes))

    def handoffsLost(self) -> None:
        """
        Keep it.
        """
        self.heard.append(("lost",))


class LinkCase(RealReactorTestCase):
    """
    Both ends of a hand-off channel, in memory if nothing else is said.
    """

    def setUp(self) -> None:
        """
        Connect the channel.
        """
        super().setUp()
        self.handle = HearingHandle()
        self.link = HandoffLink(self.handle)
        self.worker = AnsweringWorker()
        self.outcomes: list[tuple[int, object]] = []
        self._sent = 0
        self.connect()

    def connect(self) -> None:
        """
        Connect the two.
        """
        self.pump: ChannelPump = connectedChannels(self.link, self.worker)
        self.addCleanup(self.pump.lose)

    def client(self) -> AcceptedConnection:
        """
        A connection of the primary's, which is closed with the test.
        """
        client = MemoryClient()
        self.addCleanup(client.close)
        connection = client.accept()
        self.addCleanup(os.close, connection.descriptor)
        return connection

    def send(self, count: int = 1) -> None:
        """
        Send messages with a connection each; what becomes of them is kept in
        C{outcomes}, with their numbers.
        """
        for _ in range(count):
            number, self._sent = self._sent, self._sent + 1
            self.link.sendConnections(9, [self.client()], insured=False).addCallbacks(
                lambda refused, n=number: self.outcomes.append((n, list(refused))),
                lambda failure, n=number: self.outcomes.append((n, failure.type)),
            )


class HandoffLinkTests(LinkCase):
    """
    Tests of L{HandoffLink}.
    """

    def test_sendConnections(self) -> None:
        """
        Connections are sent with what is to be known of them, which is said of
        few; the answer says which are refused.
        """
        several = [self.client(), self.client()]
        single = self.client()
        answered = self.link.sendConnections(5, several, insured=False)
        alone = self.link.sendConnections(6, [single], insured=True)
        self.pump.flush()
        self.assertEqual(
            self.worker.read,
            [
                (5, [each.inode for each in several], None),
                (6, [single.inode], True),
            ],
        )
        self.worker.answer([1])
        self.worker.answer()
        self.pump.flush()
        refused: Sequence[int] = self.successResultOf(answered)
        self.assertEqual([*refused], [1])
        refused = self.successResultOf(alone)
        self.assertEqual([*refused], [])

    def test_hears(self) -> None:
        """
        What the worker says is told to its handle.
        """
        self.worker.tell(StartTaking, loan=5)
        self.worker.tell(Touched, inodes=[7, 8])
        self.worker.tell(StopTaking, loan=5)
        self.pump.flush()
        self.assertEqual(
            self.handle.heard, [("start", 5), ("touched", 7, 8), ("stop", 5)]
        )

    def test_takeBack(self) -> None:
        """
        The questions that the worker has not read fail; those that it has read are
        still its own to answer.
        """
        self.send(2)
        self.pump.flush()
        self.send(3)
        self.assertEqual(self.link.takeBack(), 3)
        self.assertEqual(self.outcomes, [(n, TakenBack) for n in (2, 3, 4)])
        self.pump.flush()
        self.assertEqual(len(self.worker.read), 2)
        self.worker.answer()
        self.worker.answer()
        self.pump.flush()
        self.assertEqual(self.outcomes[3:], [(0, []), (1, [])])

    def test_takeBackKeepsDescriptors(self) -> None:
        """
        The caller's descriptors stay the caller's.
        """
        connections = [self.client(), self.client()]
        for connection in connections:
            sent = self.link.sendConnections(5, [connection], insured=False)
            sent.addErrback(lambda failure: failure.trap(TakenBack))
        self.link.takeBack()
        for connection in connections:
            self.assertEqual(os.fstat(connection.descriptor).st_ino, connection.inode)

    def test_takeBackNothing(self) -> None:
        """
        When everything is read, or the channel closed, there is nothing to take
        back.
        """
        self.assertEqual(self.link.takeBack(), 0)
        self.send()
        self.pump.flush()
        self.assertEqual(self.link.takeBack(), 0)
        self.pump.lose()
        self.assertEqual(self.link.takeBack(), 0)
        self.assertEqual(self.outcomes, [(0, ChannelClosed)])

    def test_takeBackAnswers(self) -> None:
        """
        An answer that a worker asked for, and did not read, keeps nobody from
        having what was sent around it back.
        """
        self.send()
        asked = self.worker.callRemote(StartTaking, loan=5)
        asked.addErrback(lambda failure: failure.trap(ChannelClosed))
        self.pump.first.deliver(self.pump.second)
        self.send()
        self.link.takeBack()
        self.assertEqual(self.outcomes, [(0, TakenBack), (1, TakenBack)])

    def test_sendsOn(self) -> None:
        """
        After something was taken back, the channel goes on.
        """
        self.send()
        self.link.takeBack()
        self.send()
        self.pump.flush()
        self.worker.answer()
        self.pump.flush()
        self.assertEqual(self.outcomes, [(0, TakenBack), (1, [])])

    def test_malformed(self) -> None:
        """
        A worker that breaks the rules of the channel is lost.
        """
        self.send()
        self.pump.flush()
        with capturedLogs() as events:
            self.worker.transport.write(b"\xff\xff no box")
            self.pump.flush()
        self.assertEqual(len(events), 1)
        self.assertEqual(self.handle.heard, [("lost",)])
        self.assertEqual(self.outcomes, [(0, ChannelClosed)])

    def test_answersNobody(self) -> None:
        """
        So is one that answers for what was taken back from it.
        """
        self.send()
        self.link.takeBack()
        with capturedLogs() as events:
            self.worker.transport.write(b"\0\x07_answer\0\x011\0\x07refused\0\0\0\0")
            self.pump.flush()
        self.assertIn("nobody asked", str(events[0]["error"]))
        self.assertEqual(self.handle.heard, [("lost",)])

    def test_lostAfterTheQuestions(self) -> None:
        """
        When the handle is told, every question has failed.
        """
        self.send()
        self.pump.flush()
        seen: list[int] = []
        self.patch(self.handle, "handoffsLost", lambda: seen.append(len(self.outcomes)))
        self.pump.lose()
        self.assertEqual(seen, [1])


class FinishContract(LinkCase):
    """
    What L{HandoffLink.finish} makes of what is on its way when a worker is lost.
    """

    def workerReads(self) -> None:
        """
        The worker reads once: one message.
        """
        raise NotImplementedError

    def settle(self) -> None:
        """
        Let the end of the channel happen.
        """
        raise NotImplementedError

    def prepare(self) -> None:
        """
        Five messages: the worker reads three, and answers the second of them; its
        answer is not read here yet.
        """
        self.send(5)
        for _ in range(3):
            self.workerReads()
        self.worker.asked.pop(1).callback({"refused": [0]})
        self.worker.tell(Touched, inodes=[7])
        self.assertEqual((len(self.worker.read), self.outcomes), (3, []))

    def test_finish(self) -> None:
        """
        What it said last counts.  What it had not read comes back as that, and what
        it had read and not answered for as lost with it.
        """
        self.prepare()
        self.link.finish()
        self.settle()
        self.assertEqual(
            self.outcomes,
            [
                (1, [0]),
                (3, TakenBack),
                (4, TakenBack),
                (0, ChannelClosed),
                (2, ChannelClosed),
            ],
        )
        self.assertEqual(self.handle.heard, [("touched", 7), ("lost",)])

    def test_twice(self) -> None:
        """
        It is finished once; what is sent then fails at once.
        """
        self.prepare()
        self.link.finish()
        self.settle()
        count = len(self.outcomes)
        self.link.finish()
        self.settle()
        self.assertEqual(len(self.outcomes), count)
        self.assertEqual(self.handle.heard[1:], [("lost",)])
        self.send()
        self.assertEqual(self.outcomes[count:], [(5, ChannelClosed)])

    def test_lastWordsMalformed(self) -> None:
        """
        If what it said last breaks the rules, everything that it has not answered
        for comes back all the same, once.
        """
        self.prepare()
        self.worker.transport.write(b"\xff\xff no box")
        with capturedLogs():
            self.link.finish()
            self.settle()
        self.assertEqual(sorted(number for number, _ in self.outcomes), [*range(5)])
        self.assertEqual(self.handle.heard.count(("lost",)), 1)


class MemoryFinishTests(FinishContract):
    """
    In memory.
    """

    def workerReads(self) -> None:
        """
        One message, as it has descriptors.
        """
        self.pump.second.deliver(self.pump.first)

    def settle(self) -> None:
        """
        Let the pump close the channel.
        """
        self.pump.flush()


class RealFinishTests(FinishContract):
    """
    With the kernel between them.
    """

    def connect(self) -> None:
        """
        As a spawner does.
        """
        ours, theirs = handoffPair()
        self.transport = HandoffTransport(self.reactor, ours, theirs, self.link)
        self.workersEnd = DescriptorTransport(
            self.reactor, socket.socket(fileno=os.dup(theirs.fileno())), self.worker
        )
        self.transport.open()
        self.workersEnd.open()
        self.addCleanup(self._close)

    def _close(self) -> None:
        """
        Close both ends.
        """
        self.transport.abortConnection()
        self.workersEnd.abortConnection()
        self.turn()

    def workerReads(self) -> None:
        """
        One packet.
        """
        self.workersEnd.doRead()

    def settle(self) -> None:
        """
        Let the reactor turn.
        """
        self.turnUntil(lambda: ("lost",) in self.handle.heard)
        self.turn()


del FinishContract
