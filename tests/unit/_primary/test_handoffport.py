"""
Tests of L{twisted_cluster._primary.handoffport}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._primary.borrowers import SteppedWorker
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.handoffport import (
    COOL_DOWN,
    LOSS_LIMIT,
    TOGETHER,
    HandoffPort,
)
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.scheduling import RoundRobin
from twisted_cluster.settings import HandoffSettings
from twisted_cluster.testing.ports import MemoryClient, MemoryPort, MemoryPortOpener

REQUEST = ListenRequest(kind=PortKind.TCP, port=8080)


class CountingRoundRobin(RoundRobin):
    """
    Counts how often it is asked.
    """

    asked = 0

    def choose(self, *args: Any) -> Any:
        """
        Choose, and count.
        """
        self.asked += 1
        return super().choose(*args)


class PortCase(DescriptorsCountedTestCase):
    """
    A port, open and without any worker.
    """

    def setUp(self) -> None:
        """
        Open the port.
        """
        super().setUp()
        self.clock = Clock()
        self.workers: list[SteppedWorker] = []
        self.opener = MemoryPortOpener()
        self.addCleanup(self._cleanUp)
        self.openPort()

    def openPort(self, **settings: Any) -> None:
        """
        Open a port with these settings, instead of the one that was open.
        """
        self.policy = CountingRoundRobin()
        self.port = HandoffPort(self.policy, HandoffSettings(**settings), self.clock)
        if self.opener.openPorts:
            self.opener.close()
        self.kernel: MemoryPort = self.opener.openForHandoff(REQUEST, self.port)
        self.port.opened(self.kernel)

    def _cleanUp(self) -> None:
        """
        Close all descriptors that there still are.
        """
        for worker in self.workers:
            worker.die()
        if self.kernel.isOpen:
            self.port.close()
        self.opener.close()

    def lend(self, *ids: int) -> list[SteppedWorker]:
        """
        Lend the port to new workers, which welcome connections.  The number of
        each one's loan is a hundred times its own.
        """
        borrowers = [SteppedWorker(id) for id in ids]
        for worker in borrowers:
            self.workers.append(worker)
            self.port.lend(worker, worker.id * 100)
            self.port.startTaking(worker.id * 100)
        return borrowers

    def lose(self, worker: SteppedWorker) -> None:
        """
        Have a worker end, and its loan taken back, as its channel's end has.
        """
        worker.die()
        self.port.returned(worker.id * 100)

    def accept(self, clients: int) -> list[int]:
        """
        Have clients connect.

        @return: The inodes of their connections, in order.
        """
        return [client.inode for client in self.kernel.accept(clients)]

    def assertServed(self, clients: list[MemoryClient], served: bool) -> None:
        """
        Every client's connection is open, or closed, at the far end.
        """
        self.assertEqual(
            [client.isServed for client in clients], [served] * len(clients)
        )


class RotationTests(PortCase):
    """
    Who gets which connection.
    """

    def test_oneByOne(self) -> None:
        """
        Connections that come one after the other are spread evenly, in turn.
        """
        first, second = self.lend(1, 2)
        inodes = []
        for _ in range(20):
            inodes += self.accept(1)
            first.answerAll()
            second.answerAll()
        self.assertEqual(first.taken, inodes[0::2])
        self.assertEqual(second.taken, inodes[1::2])

    def test_burst(self) -> None:
        """
        Connections that come together are spread evenly, in turn, in one
        message for each worker, if it has room for them.
        """
        workers = self.lend(1, 2, 3)
        inodes = self.accept(3 * TOGETHER)
        for position, worker in enumerate(workers):
            self.assertEqual(worker.underway, inodes[position::3])
            self.assertEqual(worker.sizes, [TOGETHER])

    def test_messageLimit(self) -> None:
        """
        More connections than go together go in several messages.
        """
        self.openPort(window=2 * TOGETHER + 1)
        [worker] = self.lend(1)
        inodes = self.accept(2 * TOGETHER + 1)
        self.assertEqual(worker.sizes, [TOGETHER, TOGETHER, 1])
        self.assertEqual(worker.underway, inodes)

    def test_notRunning(self) -> None:
        """
        A worker whose reactor does not run yet gets none, until it does.
        """
        worker = SteppedWorker(1, mayTakeConnections=False)
        self.workers.append(worker)
        self.port.lend(worker, 100)
        self.port.startTaking(100)
        inodes = self.accept(1)
        self.assertEqual((worker.underway, self.port.queued), ([], 1))
        worker.mayTakeConnections = True
        self.port.look(100)
        self.assertEqual((worker.underway, self.port.queued), (inodes, 0))

    def test_notWelcome(self) -> None:
        """
        A worker that borrowed the port and has not said that it welcomes
        connections gets none.
        """
        worker = SteppedWorker(1)
        self.port.lend(worker, 100)
        self.accept(2)
        self.assertEqual((worker.underway, self.port.queued), ([], 2))

    def test_newcomer(self) -> None:
        """
        A worker that comes later takes its turn from then on.
        """
        [first] = self.lend(1)
        self.accept(4)
        [second] = self.lend(2)
        self.accept(4)
        self.assertEqual((len(first.underway), len(second.underway)), (6, 2))


class KeepingTests(PortCase):
    """
    A connection stays the primary's until a worker has it.
    """

    def test_taken(self) -> None:
        """
        When a worker took a connection, the primary's descriptor is closed:
        the client sees the end when the worker closes its own.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.answerAll()
        self.assertServed(clients, True)
        worker.closeHeld()
        self.assertServed(clients, False)

    def test_keptUntilAnswer(self) -> None:
        """
        Until a worker has answered, its end does not end the connection.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(3)
        self.lose(worker)
        self.assertServed(clients, True)
        self.assertEqual(self.port.queued, 3)

    def test_refused(self) -> None:
        """
        What one worker refused goes to another, before what came later.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(4)
        second.answerAll()
        self.port.stopTaking(200)
        self.port.stopTaking(100)
        later = self.accept(1)
        first.answer(refused=[0, 1])
        self.port.startTaking(200)
        self.assertEqual(second.underway, [inodes[0], inodes[2], *later])

    def test_refusedOneByOne(self) -> None:
        """
        What comes back in several messages is in its old order, whatever order the
        messages were answered in.
        """
        for backwards in (False, True):
            [worker] = self.lend(1 + backwards)
            batches = [self.accept(2) for _ in range(3)]
            self.port.stopTaking(worker.id * 100)
            if backwards:
                worker.messages.reverse()
            while worker.messages:
                worker.refuse()
            self.port.startTaking(worker.id * 100)
            self.assertEqual(worker.underway, [n for batch in batches for n in batch])
            worker.answerAll()
            self.port.stopTaking(worker.id * 100)

    def test_partlyRefused(self) -> None:
        """
        What a worker took of a message stays with it, the rest comes back.
        """
        [worker] = self.lend(1)
        inodes = self.accept(5)
        self.port.stopTaking(100)
        worker.answer(refused=[1, 3])
        self.assertEqual(worker.taken, [inodes[0], inodes[2], inodes[4]])
        [second] = self.lend(2)
        self.assertEqual(second.underway, [inodes[1], inodes[3]])

    def test_lostWithoutOthers(self) -> None:
        """
        What was on its way to a lost worker, in several messages, waits at the
        front of the queue in its old order.  Then it goes out one by one.
        """
        [worker] = self.lend(1)
        inodes = self.accept(1) + self.accept(2) + self.accept(3)
        self.port.stopTaking(100)
        inodes += self.accept(1)
        self.lose(worker)
        [successor] = self.lend(2)
        self.assertEqual(successor.underway, inodes[:1])
        successor.answerAll()
        self.assertEqual(successor.taken, inodes)
        self.assertEqual(successor.sizes, [1] * 7)

    def test_lostWithOthers(self) -> None:
        """
        Another worker gets what was on its way to a lost one, in the old order,
        each alone: when nothing else is on its way there.
        """
        self.openPort(window=2)
        first, second = self.lend(1, 2)
        inodes = self.accept(1) + self.accept(1) + self.accept(1) + self.accept(1)
        self.assertEqual(first.underway, [inodes[0], inodes[2]])
        second.answer()
        self.lose(first)
        self.clock.advance(0)
        self.assertEqual(second.underway, [inodes[3]])
        second.answer()
        self.assertEqual(second.underway, [inodes[0]])
        later = self.accept(2)
        self.assertEqual(second.underway, [inodes[0]])
        second.answer()
        self.assertEqual(second.underway, [inodes[2]])
        second.answer()
        self.assertEqual(second.underway, later)
        self.assertEqual(second.taken, [inodes[1], inodes[3], inodes[0], inodes[2]])

    def test_suspect(self) -> None:
        """
        What was on its way to a lost worker is known as such; everything else is not.
        """
        first, second = self.lend(1, 2)
        self.accept(2)
        self.assertEqual(first.suspected + second.suspected, [False, False])
        second.answer()
        self.lose(first)
        self.clock.advance(0)
        self.assertEqual(second.suspected, [False, True])

    def test_poison(self) -> None:
        """
        What so many workers were lost with is closed at last.
        """
        [client] = self.kernel.accept(1)
        for number in range(LOSS_LIMIT):
            self.assertServed([client], True)
            [worker] = self.lend(number)
            self.assertEqual(worker.underway, [client.inode])
            self.lose(worker)
            self.clock.advance(0)
        self.assertServed([client], False)
        self.assertEqual(self.port.queued, 0)

    def test_lostBeforeTheChannelSaysSo(self) -> None:
        """
        A process that ended is known before its channel has closed: what was
        on its way goes to another worker as soon as the channel closes.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(4)
        second.answerAll()
        self.port.returned(100)
        first.die()
        self.clock.advance(0)
        self.assertEqual(second.underway, [inodes[0]])
        second.answerAll()
        self.assertEqual(second.taken, [inodes[1], inodes[3], inodes[0], inodes[2]])

    def test_goneAlready(self) -> None:
        """
        A worker whose channel turns out to be closed when connections are to
        be sent gets none; another does.
        """
        first, second = self.lend(1, 2)
        first.isGone = True
        inodes = self.accept(4)
        self.clock.advance(0)
        second.answerAll()
        self.assertEqual(sorted(second.taken), sorted(inodes))
        self.assertEqual(self.port.queued, 0)

    def test_paused(self) -> None:
        """
        A port that is paused in one worker gets no more; what was on its way
        goes to the others.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(2)
        self.port.stopTaking(100)
        first.refuse()
        self.assertEqual(second.underway, [inodes[1], inodes[0]])
        self.accept(3)
        self.assertEqual(len(second.underway), 5)
        self.assertEqual(first.underway, [])

    def test_resumed(self) -> None:
        """
        A worker that paused its port and welcomes connections again gets what
        has waited.
        """
        [worker] = self.lend(1)
        self.port.stopTaking(100)
        inodes = self.accept(3)
        self.assertEqual(self.port.queued, 3)
        self.port.startTaking(100)
        self.assertEqual(worker.underway, inodes)

    def test_closedInTheWorker(self) -> None:
        """
        What was on its way to a port that its worker closed goes to another.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(2)
        self.port.returned(100)
        first.refuse()
        self.assertEqual(second.underway, [inodes[1], inodes[0]])

    def test_wentWrong(self) -> None:
        """
        A worker that answers with an error may have served some: none is given
        to another, the primary keeps none, and the worker has its room again.
        """
        self.openPort(window=2)
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.fail(ValueError("a mistake"))
        self.assertServed(clients, False)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        inodes = self.accept(2)
        self.assertEqual(worker.underway, inodes)


class TakenBackTests(PortCase):
    """
    A worker whose reactor does not turn: what it has not read is taken back.
    """

    def block(self, worker: SteppedWorker) -> None:
        """
        Have a worker seen to be blocked, as its handle does that.
        """
        worker.mayTakeConnections = False
        self.port.look(worker.id * 100)
        worker.takeBack()

    def test_order(self) -> None:
        """
        What is taken back, in several messages, is at the front of the queue in its
        old order, and goes out together: it cannot be to blame.
        """
        [worker] = self.lend(1)
        inodes = self.accept(1) + self.accept(2) + self.accept(3)
        self.block(worker)
        inodes += self.accept(1)
        self.assertEqual(self.port.queued, 7)
        [other] = self.lend(2)
        self.assertEqual(other.underway, inodes)
        self.assertEqual((other.sizes, other.suspected), ([7], [False]))

    def test_others(self) -> None:
        """
        The others get it in the next turn, in its old order, and what comes
        meanwhile after it.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(4)
        second.answerAll()
        self.block(first)
        self.assertEqual((first.underway, second.underway), ([], []))
        self.clock.advance(0)
        self.assertEqual(second.underway, [inodes[0], inodes[2]])
        self.assertEqual(second.suspected, [False, False])

    def test_descriptors(self) -> None:
        """
        Nobody's connection is closed by that.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(3)
        self.block(worker)
        self.assertServed(clients, True)
        [other] = self.lend(2)
        other.answerAll()
        self.assertServed(clients, True)
        other.closeHeld()
        self.assertServed(clients, False)

    def test_gone(self) -> None:
        """
        A blocked worker gets nothing, and takes its turns again when it is back,
        with all the room that it had.
        """
        self.openPort(window=2)
        first, second = self.lend(1, 2)
        self.accept(4)
        second.answerAll()
        self.block(first)
        self.clock.advance(0)
        second.answerAll()
        self.accept(2)
        second.answerAll()
        self.assertEqual((first.underway, len(second.taken)), ([], 6))
        first.mayTakeConnections = True
        self.port.look(100)
        self.accept(4)
        self.assertEqual((len(first.underway), len(second.underway)), (2, 2))

    def test_read(self) -> None:
        """
        What it has read it may take when it turns again.
        """
        [worker] = self.lend(1)
        inodes = self.accept(2)
        worker.mayTakeConnections = False
        self.port.look(100)
        self.accept(1)
        self.assertEqual(self.port.queued, 1)
        worker.answer()
        self.assertEqual((worker.taken, worker.underway), (inodes, []))

    def test_suspect(self) -> None:
        """
        What was suspect still is; a worker that had one gets others again.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(2)
        second.answer()
        self.port.stopTaking(200)
        self.lose(first)
        self.port.startTaking(200)
        self.assertEqual((second.underway, second.suspected[-1]), (inodes[:1], True))
        second.takeBack()
        self.clock.advance(0)
        self.assertEqual((second.underway, second.suspected[-1]), (inodes[:1], True))

    def test_closed(self) -> None:
        """
        A port that is closed closes what is taken back.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(3)
        self.port.close()
        worker.takeBack()
        self.clock.advance(0)
        self.assertServed(clients, False)
        self.assertEqual(self.port.queued, 0)


class WaitingTests(PortCase):
    """
    Connections that wait until there is a worker for them.
    """

    def test_givenUp(self) -> None:
        """
        Those whose clients did not wait are closed and not handed over; nobody loses
        a turn by that.
        """
        clients = self.kernel.accept(4)
        for gone in (clients[0], clients[2]):
            gone.socket.close()
        first, second = self.lend(1, 2)
        self.assertEqual(first.underway, [clients[1].inode, clients[3].inode])
        first.answerAll()
        late = self.accept(1)
        self.assertEqual(second.underway, late)

    def test_fresh(self) -> None:
        """
        One that has not waited is handed over without a look at its client.
        """
        [worker] = self.lend(1)
        [client] = self.kernel.connect()
        client.socket.close()
        self.kernel.turn()
        self.assertEqual(worker.underway, [client.inode])

    def test_told(self) -> None:
        """
        That no more are accepted is told once, and once that they are again.
        """
        self.openPort(queueLimit=2)
        with capturedLogs() as events:
            self.kernel.accept(3)
            self.kernel.accept(1)
            [worker] = self.lend(1)
            worker.answerAll()
        told = [formatEvent(event) for event in events]
        self.assertEqual(len(told), 2)
        self.assertIn("3 connections to ('', 8080) wait in the primary", told[0])
        self.assertIn("are accepted again", told[1])

    def test_underway(self) -> None:
        """
        It is known how many wait, and how many are on their way.
        """
        self.accept(1)
        [worker] = self.lend(1)
        self.accept(1)
        self.assertEqual((self.port.queued, self.port.underway), (0, 2))
        self.port.stopTaking(100)
        self.accept(3)
        self.assertEqual((self.port.queued, self.port.underway), (3, 2))
        worker.answerAll()
        self.assertEqual((self.port.queued, self.port.underway), (3, 0))


class InsuredTests(PortCase):
    """
    Connections that a worker took and did not touch come back if it is lost.
    """

    def setUp(self) -> None:
        """
        Open a port that insures.
        """
        super().setUp()
        self.openPort(insured=True)

    def test_untouched(self) -> None:
        """
        They are served by another, in their old order before all others, each
        alone; and are insured again.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(3)
        worker.answer()
        waiting = self.kernel.accept(1)
        self.lose(worker)
        self.clock.advance(0)
        self.assertServed(clients, True)
        [other] = self.lend(2)
        other.answerAll()
        self.assertEqual(other.taken, [each.inode for each in clients + waiting])
        self.assertEqual((other.sizes, other.suspected), ([1] * 4, [True] * 4))
        self.assertEqual(other.covered, [True] * 4)
        self.assertEqual(len(other.insurance), 4)
        self.lose(other)
        self.assertServed(clients, True)

    def test_touched(self) -> None:
        """
        What it touched is lost with it, and nobody else gets it.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(3)
        self.assertEqual(worker.covered, [True])
        worker.insurance.touched([clients[0].inode])
        worker.answer()
        worker.insurance.touched([clients[2].inode])
        self.lose(worker)
        self.assertEqual([each.isServed for each in clients], [False, True, False])
        [other] = self.lend(2)
        other.answerAll()
        self.assertEqual(other.taken, [clients[1].inode])

    def test_handedOver(self) -> None:
        """
        When it is touched, it is the worker's alone: the client sees the end when
        the worker closes its own descriptor.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.answer()
        worker.closeHeld()
        self.assertServed(clients, True)
        worker.insurance.touched([client.inode for client in clients])
        self.assertServed(clients, False)

    def test_refused(self) -> None:
        """
        What it refused is another's matter; what it touches and refuses all the
        same is over.
        """
        first, second = self.lend(1, 2)
        clients = self.kernel.accept(6)
        second.answerAll()
        self.port.stopTaking(100)
        first.insurance.touched([clients[2].inode])
        first.answer(refused=[1, 2])
        self.assertFalse(clients[2].isServed)
        self.assertEqual(second.underway, [clients[4].inode])
        second.answerAll()
        self.assertEqual((len(first.insurance), len(second.insurance)), (1, 4))

    def test_touchedUnanswered(self) -> None:
        """
        What it touched before it had answered, and never did, is over, too.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.insurance.touched([clients[0].inode])
        self.lose(worker)
        self.assertEqual([each.isServed for each in clients], [False, True])
        self.assertEqual(self.port.queued, 1)

    def test_takenBack(self) -> None:
        """
        What it has not read is not its own any more.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.mayTakeConnections = False
        self.port.look(100)
        worker.takeBack()
        self.assertEqual((len(worker.insurance), self.port.queued), (0, 2))
        self.lose(worker)
        self.assertServed(clients, True)
        self.assertEqual(self.port.queued, 2)

    def test_wentWrong(self) -> None:
        """
        What it answered with an error is over, and not insured.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.fail(ValueError("a mistake"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertServed(clients, False)
        self.assertEqual(len(worker.insurance), 0)

    def test_closed(self) -> None:
        """
        A port that is closed closes what comes back.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(2)
        worker.answer()
        self.port.close()
        self.assertServed(clients, True)
        worker.die()
        self.clock.advance(0)
        self.assertServed(clients, False)
        self.assertEqual(self.port.queued, 0)

    def test_notInsured(self) -> None:
        """
        Nothing of this happens if it is not asked for.
        """
        self.openPort()
        [worker] = self.lend(1)
        self.accept(2)
        worker.answer()
        self.assertEqual((worker.covered, len(worker.insurance)), ([False], 0))


class LimitTests(PortCase):
    """
    How much may wait, and where.
    """

    def test_window(self) -> None:
        """
        No more connections than the window are on their way to one worker; the
        next follow its answers.
        """
        self.openPort(window=3)
        [worker] = self.lend(1)
        inodes = self.accept(8)
        self.assertEqual((worker.underway, self.port.queued), (inodes[:3], 5))
        worker.answer()
        self.assertEqual((worker.underway, self.port.queued), (inodes[3:6], 2))

    def test_blockedWorker(self) -> None:
        """
        A worker that does not answer gets nothing beyond its window; the
        others get the rest.
        """
        self.openPort(window=2)
        blocked, second = self.lend(1, 2)
        for _ in range(10):
            self.accept(1)
            second.answerAll()
        self.assertEqual((len(blocked.underway), len(second.taken)), (2, 8))

    def test_queueLimit(self) -> None:
        """
        When as many wait as may, no more are accepted.
        """
        self.openPort(queueLimit=4)
        self.accept(3)
        self.assertTrue(self.kernel.isAccepting)
        self.accept(1)
        self.assertFalse(self.kernel.isAccepting)
        self.kernel.accept(5)
        self.assertEqual((self.port.queued, len(self.kernel.backlog)), (4, 5))

    def test_acceptingAgain(self) -> None:
        """
        When there is room again, so is accepting, and everybody in the backlog
        is served.
        """
        self.openPort(queueLimit=4)
        self.kernel.accept(4)
        self.kernel.connect(5)
        [worker] = self.lend(1)
        self.assertTrue(self.kernel.isAccepting)
        self.kernel.turn()
        worker.answerAll()
        self.assertEqual(len(worker.taken), 9)

    def test_leftToOthers(self) -> None:
        """
        While no worker takes connections of a port on which somebody else listens,
        too, they are left in the backlog, where he has them.
        """
        self.openPort()
        self.port.leaveToOthers()
        self.assertTrue(self.kernel.isLeftToOthers)
        self.assertFalse(self.kernel.isAccepting)
        first, _ = self.lend(1, 2)
        self.assertTrue(self.kernel.isAccepting)
        self.lose(first)
        self.clock.advance(0)
        self.assertTrue(self.kernel.isAccepting)
        self.port.returned(200)
        self.assertFalse(self.kernel.isAccepting)

    def test_returnedBeyondTheLimit(self) -> None:
        """
        What comes back from a worker is kept, even beyond the limit, which
        stops accepting.
        """
        self.openPort(queueLimit=2)
        [worker] = self.lend(1)
        self.accept(5)
        self.lose(worker)
        self.clock.advance(0)
        self.assertEqual(self.port.queued, 5)
        self.assertFalse(self.kernel.isAccepting)


class CoolDownTests(PortCase):
    """
    A worker that has no descriptor left.
    """

    def test_noSpin(self) -> None:
        """
        A connection that the only worker has no room for is not offered again
        before some time has passed.
        """
        [worker] = self.lend(1)
        inodes = self.accept(1)
        asked = self.policy.asked
        worker.refuse()
        self.assertEqual((worker.underway, self.port.queued), ([], 1))
        self.clock.advance(COOL_DOWN * 0.9)
        self.assertLessEqual(self.policy.asked, asked + 1)
        self.clock.advance(COOL_DOWN * 0.2)
        self.assertEqual(worker.underway, inodes)

    def test_others(self) -> None:
        """
        Other workers get what it has no room for at once, and new connections
        while it is left alone.
        """
        first, second = self.lend(1, 2)
        inodes = self.accept(2)
        first.refuse()
        inodes += self.accept(2)
        self.assertEqual(second.underway, [inodes[1], inodes[0], inodes[2], inodes[3]])
        self.clock.advance(COOL_DOWN)
        self.accept(2)
        self.assertEqual(len(first.underway), 1)

    def test_refusesTwice(self) -> None:
        """
        Several refusals within the time are one reason to wait, not several.
        """
        [worker] = self.lend(1)
        self.accept(1)
        self.accept(1)
        worker.refuse()
        worker.refuse()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(COOL_DOWN)
        self.assertEqual(len(worker.underway), 2)

    def test_said(self) -> None:
        """
        That a worker has no room is said once, until it has had some again.
        """
        [worker] = self.lend(1)
        self.accept(1)
        with capturedLogs() as events:
            for _ in range(3):
                worker.refuse()
                self.clock.advance(COOL_DOWN)
            worker.answer()
            self.accept(1)
            worker.refuse()
        said = [formatEvent(event) for event in events]
        self.assertEqual(
            said,
            2
            * [
                "worker 1 takes no more connections: it has no descriptor left for them"
            ],
        )

    def test_goneMeanwhile(self) -> None:
        """
        A worker that is gone when the time is over gets nothing.
        """
        [worker] = self.lend(1)
        self.accept(1)
        worker.refuse()
        self.lose(worker)
        self.clock.advance(COOL_DOWN)
        self.assertEqual(self.port.queued, 1)

    def test_closedMeanwhile(self) -> None:
        """
        Nothing happens if the port is closed when the time is over.
        """
        [worker] = self.lend(1)
        clients = self.kernel.accept(1)
        worker.refuse()
        self.port.close()
        self.clock.advance(COOL_DOWN)
        self.assertServed(clients, False)
        self.assertFalse(self.kernel.isAccepting)


class ClosingTests(PortCase):
    """
    The end of a port.
    """

    def test_queued(self) -> None:
        """
        Connections that wait are closed with the port.
        """
        clients = self.kernel.accept(3)
        self.port.close()
        self.assertFalse(self.kernel.isOpen)
        self.assertServed(clients, False)

    def test_returned(self) -> None:
        """
        Connections that come back after the port was closed are closed; those
        that their worker takes are served.
        """
        first, second = self.lend(1, 2)
        clients = self.kernel.accept(4)
        third = self.kernel.accept(1)
        self.port.close()
        first.answer(refused=[1])
        second.die()
        self.assertServed([clients[0]], True)
        self.assertServed([clients[1], clients[2], clients[3]], False)
        first.die()
        self.assertServed(third, False)
        self.assertEqual(self.port.queued, 0)


class HandoffMachine(RuleBasedStateMachine):
    """
    Anything may happen to a port and its workers, in any order.

    The oracle: each connection is in exactly one place.  It waits in the
    primary, or is on its way to one worker, or one worker took it, or it is
    closed; and only those whose port is closed or whose worker ended may be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.opener = MemoryPortOpener()
        self.port = HandoffPort(
            RoundRobin(), HandoffSettings(queueLimit=6, window=3), self.clock
        )
        self.kernel = self.opener.openForHandoff(REQUEST, self.port)
        self.port.opened(self.kernel)
        self.workers: dict[int, SteppedWorker] = {}
        self.everyone: list[SteppedWorker] = []

    def pick(self, data: st.DataObject) -> SteppedWorker:
        """
        One of the workers.
        """
        return data.draw(st.sampled_from(list(self.workers.values())))

    def pickAsked(self, data: st.DataObject) -> SteppedWorker | None:
        """
        One of the workers that have something to answer, if there is one.
        """
        asked = [worker for worker in self.everyone if worker.messages]
        return data.draw(st.sampled_from(asked)) if asked else None

    @precondition(lambda self: self.kernel.isOpen)
    @rule(clients=st.integers(1, 5))
    def connect(self, clients: int) -> None:
        """
        Clients connect.
        """
        self.kernel.accept(clients)

    @precondition(lambda self: len(self.workers) < 4)
    @rule(running=st.booleans())
    def lend(self, running: bool) -> None:
        """
        A worker borrows the port.
        """
        id = len(self.everyone) + 1
        worker = SteppedWorker(id, mayTakeConnections=running)
        self.workers[id] = worker
        self.everyone.append(worker)
        self.port.lend(worker, id)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        """
        A worker welcomes connections.
        """
        self.port.startTaking(self.pick(data).id)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        """
        A worker wants none for now.
        """
        self.port.stopTaking(self.pick(data).id)

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def run(self, data: st.DataObject) -> None:
        """
        A worker's reactor begins to run.
        """
        worker = self.pick(data)
        worker.mayTakeConnections = True
        self.port.look(worker.id)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """
        A worker takes some, and refuses some.
        """
        worker = self.pickAsked(data)
        if worker is not None:
            positions = range(len(worker.messages[0].inodes))
            worker.answer(data.draw(st.sets(st.sampled_from(positions))))

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def giveBack(self, data: st.DataObject) -> None:
        """
        A worker closes its port.
        """
        worker = self.pick(data)
        del self.workers[worker.id]
        self.port.returned(worker.id)

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), processFirst=st.booleans())
    def lose(self, data: st.DataObject, processFirst: bool) -> None:
        """
        A worker ends; its process's end or its channel's is seen first.
        """
        worker = self.pick(data)
        del self.workers[worker.id]
        if processFirst:
            worker.mayTakeConnections = False
            self.port.returned(worker.id)
            worker.die()
        else:
            worker.die()
            self.port.returned(worker.id)
        self.clock.advance(0)

    @rule()
    def wait(self) -> None:
        """
        Time passes.
        """
        self.clock.advance(COOL_DOWN)

    @rule()
    def turn(self) -> None:
        """
        The reactor turns.
        """
        self.clock.advance(0)
        self.kernel.turn()

    @precondition(lambda self: self.kernel.isOpen)
    @rule()
    def close(self) -> None:
        """
        The primary stops listening.
        """
        self.port.close()

    @invariant()
    def inOnePlace(self) -> None:
        """
        No connection is lost, and none is in two places.
        """
        waiting = [connection.inode for connection in self.port._queue]
        underway = [inode for worker in self.everyone for inode in worker.underway]
        taken = [inode for worker in self.everyone for inode in worker.taken]
        places = waiting + underway + taken
        assert len(set(places)) == len(places)
        accepted = [
            client
            for client in self.kernel.clients
            if client not in self.kernel.backlog
        ]
        if self.kernel.isOpen:
            assert set(places) == {client.inode for client in accepted}
        ended = {
            inode for worker in self.everyone if worker.isGone for inode in worker.taken
        }
        for client in accepted:
            inode = client.inode
            assert client.isServed == (inode in places and inode not in ended)

    @invariant()
    def withinTheWindow(self) -> None:
        """
        Nobody is sent more than the window, or anything at all when it may not.
        """
        for worker in self.everyone:
            assert len(worker.underway) <= 3

    @invariant()
    def accepting(self) -> None:
        """
        The port accepts while there is room.
        """
        if self.kernel.isOpen:
            assert self.kernel.isAccepting == (self.port.queued < 6)

    def teardown(self) -> None:
        """
        When everybody is gone and the port is closed, nothing is left open.
        """
        if self.kernel.isOpen:
            self.port.close()
        for worker in self.everyone:
            worker.die()
        try:
            assert not any(client.isServed for client in self.kernel.clients)
        finally:
            self.opener.close()


class HandoffMachineTests(SynchronousTestCase):
    """
    Runs L{HandoffMachine}.
    """

    def test_oracle(self) -> None:
        """
        Whatever happens, each connection is in exactly one place, and all
        descriptors are closed in the end.
        """
        run_state_machine_as_test(
            HandoffMachine,
            settings=profile(max_examples=60, stateful_step_count=40, deadline=None),
        )
