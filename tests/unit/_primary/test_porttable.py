"""
Tests of L{twisted_cluster._primary.porttable} and
L{twisted_cluster._primary.sharedport}.
"""

from __future__ import annotations

import errno

from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from tests.unit._primary.borrowers import SteppedWorker
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._primary.handoffport import HandoffPort
from twisted_cluster._primary.porttable import PortTable
from twisted_cluster.errors import ListenRefused
from twisted_cluster.events import ListeningAddress, PortReading
from twisted_cluster.listening import ListenRequest, Loan, PortKind
from twisted_cluster.scheduling import RoundRobin
from twisted_cluster.settings import HandoffSettings, PortSettings, SchedulingPolicy
from twisted_cluster.testing.ports import (
    FIRST_CHOSEN_PORT,
    MemoryPort,
    MemoryPortOpener,
)

TCP = ListenRequest(kind=PortKind.TCP, port=8080)
CHOSEN = ListenRequest(kind=PortKind.TCP, port=0)
UDP = ListenRequest(kind=PortKind.UDP, port=5353)
PATH = ListenRequest(kind=PortKind.UNIX, path=b"/run/site.socket")


class TableCase(DescriptorsCountedTestCase):
    """
    A table of ports, and two workers.
    """

    policy = SchedulingPolicy.RR
    settings: PortSettings | None = None

    def setUp(self) -> None:
        """
        Make the table.
        """
        super().setUp()
        self.opener = MemoryPortOpener()
        self.addCleanup(self.opener.close)
        self.table = PortTable(
            self.opener,
            self.policy,
            lambda: HandoffPort(RoundRobin(), HandoffSettings(), Clock()),
            self.settings,
        )
        self.addCleanup(self.table.closeAll)
        self.first, self.second = SteppedWorker(1), SteppedWorker(2)
        self.addCleanup(self.first.die)
        self.addCleanup(self.second.die)

    def portOf(self, loan: Loan) -> MemoryPort:
        """
        The port that was lent.
        """
        [port] = [
            port for port in self.opener.openPorts if port.descriptor == loan.descriptor
        ]
        return port

    def assertRefused(
        self, number: int, worker: SteppedWorker, request: ListenRequest
    ) -> None:
        """
        The worker cannot have the port, for this reason.
        """
        refused = self.assertRaises(ListenRefused, self.table.lend, worker, request)
        self.assertEqual(refused.errno, number)


class LendingTests(TableCase):
    """
    Who gets which port.
    """

    def test_sharedByAddress(self) -> None:
        """
        The same address asked for by two workers is one port; the loans differ.
        """
        for request in (TCP, UDP, PATH):
            first = self.table.lend(self.first, request)
            second = self.table.lend(self.second, request)
            self.assertEqual(first.descriptor, second.descriptor)
            self.assertNotEqual(first.number, second.number)
        self.assertEqual(len(self.opener.ports), 3)

    def test_everyAddress(self) -> None:
        """
        Every IPv4 address has two names, which mean the same port.
        """
        for request in (TCP, CHOSEN, UDP):
            loan = self.table.lend(self.first, request)
            named = evolve(request, interface="0.0.0.0")
            again = self.table.lend(self.second, named)
            self.assertEqual(again.descriptor, loan.descriptor)
        self.assertRefused(
            errno.EADDRINUSE, self.first, evolve(TCP, interface="0.0.0.0")
        )

    def test_spellings(self) -> None:
        """
        An IPv6 address is the same however it is written.
        """
        for request in (TCP, UDP):
            loan = self.table.lend(self.first, evolve(request, interface="::1"))
            again = self.table.lend(
                self.second, evolve(request, interface="0:0:0:0:0:0:0:1")
            )
            self.assertEqual(again.descriptor, loan.descriptor)
        self.assertEqual(len(self.opener.ports), 2)

    def test_differentAddresses(self) -> None:
        """
        What differs in kind, interface, number or path is a port of its own.
        """
        requests = [
            TCP,
            evolve(TCP, port=8081),
            evolve(TCP, interface="127.0.0.1"),
            evolve(TCP, kind=PortKind.UDP),
            PATH,
            evolve(PATH, path=b"/run/other.socket"),
        ]
        for request in requests:
            self.table.lend(self.first, request)
        self.assertEqual([port.request for port in self.opener.ports], requests)

    def test_detailsOfTheFirst(self) -> None:
        """
        What else a request says counts only when the port is opened.
        """
        self.table.lend(self.first, TCP)
        self.table.lend(self.second, evolve(TCP, backlog=1, reuseAddress=False))
        [port] = self.opener.ports
        self.assertEqual(port.request, TCP)

    def test_twiceByOneWorker(self) -> None:
        """
        A worker that asks for a port that it has is told that it is in use;
        others can still have it.
        """
        for request in (TCP, UDP, PATH):
            self.table.lend(self.first, request)
            self.assertRefused(errno.EADDRINUSE, self.first, request)
            self.table.lend(self.second, request)
        self.assertEqual(len(self.opener.openPorts), 3)

    def test_portZeroByIndex(self) -> None:
        """
        Each worker's first port 0 is one port, each one's second another.
        """
        firsts = [self.table.lend(self.first, CHOSEN) for _ in range(2)]
        seconds = [self.table.lend(self.second, CHOSEN) for _ in range(3)]
        self.assertEqual(
            [loan.descriptor for loan in firsts],
            [loan.descriptor for loan in seconds[:2]],
        )
        self.assertEqual(len({loan.descriptor for loan in seconds}), 3)

    def test_portZeroByKind(self) -> None:
        """
        Ports 0 of different kinds or interfaces have nothing to do with each
        other.
        """
        self.table.lend(self.first, CHOSEN)
        self.table.lend(self.second, evolve(CHOSEN, interface="127.0.0.1"))
        self.table.lend(self.second, evolve(CHOSEN, kind=PortKind.UDP))
        self.assertEqual(len(self.opener.ports), 3)

    def test_learntPort(self) -> None:
        """
        A worker that asks for the number that the kernel chose for another's
        port 0 gets that port.
        """
        loan = self.table.lend(self.first, CHOSEN)
        learnt = evolve(TCP, port=FIRST_CHOSEN_PORT)
        self.assertEqual(
            self.table.lend(self.second, learnt).descriptor, loan.descriptor
        )
        self.assertRefused(errno.EADDRINUSE, self.first, learnt)

    def test_learntPortThenPortZero(self) -> None:
        """
        A worker that has the port by its number has used up this port 0.
        """
        self.table.lend(self.first, CHOSEN)
        self.table.lend(self.second, evolve(TCP, port=FIRST_CHOSEN_PORT))
        loan = self.table.lend(self.second, CHOSEN)
        self.assertEqual(self.portOf(loan).boundAddress, ("", FIRST_CHOSEN_PORT + 1))

    def test_failedOpen(self) -> None:
        """
        A port that the kernel refuses leaves nothing behind: the next attempt
        is the first.
        """
        for number in (errno.EADDRINUSE, errno.EACCES):
            self.opener.refuseNext(number)
            self.assertRefused(number, self.first, TCP)
        self.assertEqual(self.opener.ports, [])
        self.table.lend(self.first, TCP)
        self.assertEqual(len(self.opener.ports), 1)

    def test_taken(self) -> None:
        """
        An address that another program has stays refused to all.
        """
        self.opener.openToShare(TCP)
        self.assertRefused(errno.EADDRINUSE, self.first, TCP)
        self.assertRefused(errno.EADDRINUSE, self.second, TCP)

    def test_says(self) -> None:
        """
        The log tells the real port, once.
        """
        with capturedLogs() as events:
            self.table.lend(self.first, CHOSEN)
            self.table.lend(self.second, CHOSEN)
            self.table.lend(self.second, PATH)
        self.assertEqual(
            [str(event["address"]) for event in events],
            [f"tcp 0.0.0.0:{FIRST_CHOSEN_PORT}", "unix /run/site.socket"],
        )


class AllowedTests(TableCase):
    """
    A table that opens some ports only.
    """

    settings = PortSettings(mayListen=["tcp:8080", "tcp:0", "unix:/run/*"])

    def test_allowed(self) -> None:
        """
        What is allowed is lent, and so is the number that the kernel chose.
        """
        for request in (TCP, CHOSEN, PATH):
            self.table.lend(self.first, request)
        learnt = evolve(CHOSEN, port=FIRST_CHOSEN_PORT)
        self.table.lend(self.second, learnt)
        self.assertEqual(len(self.opener.ports), 3)

    def test_refused(self) -> None:
        """
        Nothing is opened for what is not; the worker and the log are told what
        would allow it, once.
        """
        with capturedLogs() as events, self.assertRaises(ListenRefused) as caught:
            self.table.lend(self.first, UDP)
        self.assertEqual(caught.exception.errno, errno.EACCES)
        self.assertIn("--allow-listen udp:5353 ", caught.exception.reason)
        self.assertEqual(self.opener.ports, [])
        [event] = events
        self.assertEqual(
            formatEvent(event),
            "worker 1 may not listen on udp 0.0.0.0:5353: the primary was not told to "
            "allow this; --allow-listen udp:5353 would",
        )

    def test_descriptor(self) -> None:
        """
        The primary's own sockets are named by their numbers, and nothing else
        allows them.
        """
        self.assertRefused(
            errno.EACCES, self.first, ListenRequest(kind=PortKind.TCP, descriptor=3)
        )

    def test_held(self) -> None:
        """
        What the operator had opened is the workers' in any case.
        """
        self.table.hold(UDP)
        self.table.lend(self.first, UDP)
        self.assertEqual(len(self.opener.ports), 1)


class MisleadingTests(TableCase):
    """
    Requests that may mean something else.
    """

    def test_refused(self) -> None:
        """
        They are refused before anybody looks at them.
        """
        for request in (
            evolve(TCP, interface="localhost"),
            evolve(PATH, path=b"/run/x\0y"),
            evolve(PATH, path=b"x"),
        ):
            self.assertRefused(errno.EINVAL, self.first, request)
        self.assertEqual(self.opener.ports, [])


class PortLimitTests(TableCase):
    """
    A table with few ports.
    """

    settings = PortSettings(limit=2)

    def test_limit(self) -> None:
        """
        A worker that asks for more and more ports gets so many; when one is
        closed it can have another.
        """
        loans = [self.table.lend(self.first, CHOSEN) for _ in range(2)]
        with self.assertRaises(ListenRefused) as caught:
            self.table.lend(self.first, CHOSEN)
        self.assertEqual(caught.exception.errno, errno.EMFILE)
        self.assertIn("2 ports are open", caught.exception.reason)
        self.assertEqual(len(self.opener.openPorts), 2)
        self.table.lend(self.second, CHOSEN)
        self.table.giveBack(self.first, loans[1].number, leaving=False)
        self.table.lend(self.first, CHOSEN)

    def test_overWorkers(self) -> None:
        """
        Ports that workers left behind count: a program that ends again and again
        does not open new ones without end.
        """
        for number in (1, 2, 3):
            worker = SteppedWorker(number)
            try:
                self.table.lend(worker, evolve(TCP, port=9000 + number))
            except ListenRefused as e:
                self.assertEqual((number, e.errno), (3, errno.EMFILE))
            self.table.workerLost(worker)
        self.assertEqual(len(self.opener.openPorts), 2)


class PolicyTests(TableCase):
    """
    Who accepts.
    """

    def test_handedOff(self) -> None:
        """
        The primary accepts on ports with connections, and hands them over.
        """
        for request in (TCP, PATH):
            loan = self.table.lend(self.first, request)
            self.assertFalse(loan.acceptsItself)
            self.assertTrue(self.portOf(loan).isAccepting)
            self.table.startTaking(self.first, loan.number)
            [client] = self.portOf(loan).accept()
            self.assertEqual(self.first.underway[-1], client.inode)

    def test_datagrams(self) -> None:
        """
        Datagrams are received by the workers.
        """
        datagrams = ListenRequest(kind=PortKind.UNIX_DATAGRAM, path=b"/run/log")
        for request in (UDP, datagrams):
            loan = self.table.lend(self.first, request)
            self.assertTrue(loan.acceptsItself)
            self.assertFalse(self.portOf(loan).isAccepting)


class SharingPolicyTests(TableCase):
    """
    With C{--policy none}.
    """

    policy = SchedulingPolicy.NONE

    def test_shared(self) -> None:
        """
        The workers accept themselves; what they say of it changes nothing.
        """
        loan = self.table.lend(self.first, TCP)
        self.assertTrue(loan.acceptsItself)
        self.table.startTaking(self.first, loan.number)
        self.table.workerChanged(self.first)
        self.table.stopTaking(self.first, loan.number)
        self.assertFalse(self.portOf(loan).isAccepting)

    def test_closes(self) -> None:
        """
        The primary's descriptor is closed when the last worker closes its own.
        """
        loans = [self.table.lend(worker, TCP) for worker in (self.first, self.second)]
        self.table.giveBack(self.first, loans[0].number, leaving=False)
        self.assertEqual(len(self.opener.openPorts), 1)
        self.table.giveBack(self.second, loans[1].number, leaving=False)
        self.assertEqual(self.opener.openPorts, [])


class ClosingTests(TableCase):
    """
    When a port is closed, and when it stays.
    """

    def test_lastCloses(self) -> None:
        """
        A port closes when the last worker that had it closes it; then it can be
        opened anew.
        """
        first = self.table.lend(self.first, TCP)
        second = self.table.lend(self.second, TCP)
        self.table.giveBack(self.first, first.number, leaving=False)
        self.assertTrue(self.opener.ports[0].isOpen)
        self.table.giveBack(self.second, second.number, leaving=False)
        self.assertFalse(self.opener.ports[0].isOpen)
        self.table.lend(self.first, TCP)
        self.assertEqual(len(self.opener.ports), 2)

    def test_borrowAgain(self) -> None:
        """
        A worker that closed its port can borrow it again, with a new number.
        """
        self.table.lend(self.second, TCP)
        before = self.table.lend(self.first, TCP)
        self.table.giveBack(self.first, before.number, leaving=False)
        after = self.table.lend(self.first, TCP)
        self.assertEqual(after.descriptor, before.descriptor)
        self.assertNotEqual(after.number, before.number)

    def test_leaving(self) -> None:
        """
        A port that its worker closes because it is stopping stays open, keeps
        accepting, and is its successor's, with those who waited.
        """
        loan = self.table.lend(self.first, TCP)
        self.table.giveBack(self.first, loan.number, leaving=True)
        [port] = self.opener.openPorts
        [client] = port.accept()
        successor = self.table.lend(self.second, TCP)
        self.table.startTaking(self.second, successor.number)
        self.assertEqual(self.second.underway, [client.inode])

    def test_lost(self) -> None:
        """
        The ports of a worker that crashed stay open for its successor.
        """
        for request in (TCP, CHOSEN, UDP, PATH):
            self.table.lend(self.first, request)
        self.table.workerLost(self.first)
        for request in (TCP, CHOSEN, UDP, PATH):
            self.table.lend(self.second, request)
        self.assertEqual(len(self.opener.openPorts), 4)

    def test_sentOn(self) -> None:
        """
        A port that its worker has sent to another process is left to it when it is
        closed; nobody else's is.
        """
        first = self.table.lend(self.first, TCP)
        self.table.lend(self.second, PATH)
        self.table.sendOn(self.second, first.number)
        self.table.sendOn(self.first, 77)
        left = [port.isLeftToOthers for port in self.opener.ports]
        self.assertEqual(left, [False, False])
        self.table.sendOn(self.first, first.number)
        left = [port.isLeftToOthers for port in self.opener.ports]
        self.assertEqual(left, [True, False])

    def test_keptThenClosed(self) -> None:
        """
        A port that stayed for a successor closes when that one closes it.
        """
        self.table.lend(self.first, TCP)
        self.table.workerLost(self.first)
        loan = self.table.lend(self.second, TCP)
        self.table.giveBack(self.second, loan.number, leaving=False)
        self.assertEqual(self.opener.openPorts, [])

    def test_held(self) -> None:
        """
        A port that was opened early is lent as others are, and stays open when
        all workers have closed it.
        """
        self.table.hold(TCP)
        loan = self.table.lend(self.first, TCP)
        [port] = self.opener.ports
        self.assertEqual(loan.descriptor, port.descriptor)
        self.table.giveBack(self.first, loan.number, leaving=False)
        self.assertTrue(port.isOpen)

    def test_heldPortZero(self) -> None:
        """
        An early port 0 is every worker's first.
        """
        self.table.hold(CHOSEN)
        self.table.lend(self.first, CHOSEN)
        self.table.lend(self.second, CHOSEN)
        self.assertEqual(len(self.opener.ports), 1)

    def test_holdRefused(self) -> None:
        """
        A port that cannot be opened early is reported, and can be tried again.
        """
        self.opener.refuseNext(errno.EACCES)
        self.assertRaises(ListenRefused, self.table.hold, TCP)
        self.table.hold(TCP)
        self.assertEqual(len(self.opener.openPorts), 1)

    def test_shutDown(self) -> None:
        """
        When the cluster stops all ports are closed, and nobody gets another.
        """
        self.table.lend(self.first, TCP)
        self.table.shutDown()
        self.assertEqual(self.opener.openPorts, [])
        refused = self.assertRaises(ListenRefused, self.table.lend, self.second, TCP)
        self.assertIn("stopping", str(refused))
        self.assertEqual(self.opener.openPorts, [])

    def test_closeAll(self) -> None:
        """
        All ports can be closed, whoever has borrowed them; what their workers
        say of them afterwards changes nothing.
        """
        loans = [self.table.lend(self.first, request) for request in (TCP, UDP)]
        self.table.hold(PATH)
        self.table.closeAll()
        self.assertEqual(self.opener.openPorts, [])
        for loan in loans:
            self.table.giveBack(self.first, loan.number, leaving=False)
            self.table.startTaking(self.first, loan.number)
        self.table.workerChanged(self.first)
        self.table.workerLost(self.first)


class LateTests(TableCase):
    """
    What is said late about a loan, or by somebody else.
    """

    def test_backAlready(self) -> None:
        """
        A loan that ended cannot be given back, started or stopped again, even
        if the same worker has the port anew.
        """
        old = self.table.lend(self.first, TCP)
        self.table.workerLost(self.first)
        new = self.table.lend(self.first, TCP)
        self.table.giveBack(self.first, old.number, leaving=False)
        self.table.startTaking(self.first, old.number)
        self.assertTrue(self.opener.ports[0].isOpen)
        self.opener.ports[0].accept()
        self.assertEqual(self.first.underway, [])
        self.table.startTaking(self.first, new.number)
        self.table.stopTaking(self.first, old.number)
        self.opener.ports[0].accept()
        self.assertEqual(len(self.first.underway), 2)

    def test_somebodyElses(self) -> None:
        """
        A worker can say nothing about another's loan.
        """
        loan = self.table.lend(self.first, TCP)
        self.table.giveBack(self.second, loan.number, leaving=False)
        self.table.startTaking(self.second, loan.number)
        self.opener.ports[0].accept()
        self.assertEqual(self.first.underway + self.second.underway, [])
        self.table.startTaking(self.first, loan.number)
        self.table.stopTaking(self.second, loan.number)
        self.opener.ports[0].accept()
        self.assertEqual(len(self.first.underway), 2)

    def test_unknown(self) -> None:
        """
        A number that was never lent means nothing.
        """
        self.table.giveBack(self.first, 77, leaving=False)
        self.table.startTaking(self.first, 77)
        self.table.stopTaking(self.first, 77)
        self.assertEqual(self.opener.ports, [])


class WorkerChangeTests(TableCase):
    """
    Every port follows its workers' states.
    """

    def test_looks(self) -> None:
        """
        When a worker begins to run, all its ports have what waited sent.
        """
        self.first.mayTakeConnections = False
        for request in (TCP, PATH):
            loan = self.table.lend(self.first, request)
            self.table.startTaking(self.first, loan.number)
            self.portOf(loan).accept()
        self.assertEqual(self.first.underway, [])
        self.first.mayTakeConnections = True
        self.table.workerChanged(self.second)
        self.assertEqual(self.first.underway, [])
        self.table.workerChanged(self.first)
        self.assertEqual(len(self.first.underway), 2)


class DescriptorTests(TableCase):
    """
    Sockets that the primary was given.
    """

    THREE = ListenRequest(kind=PortKind.TCP, descriptor=3)

    def test_shared(self) -> None:
        """
        Two workers that name the same number share a port; one cannot have it
        twice, and another number is another port.
        """
        first = self.table.lend(self.first, self.THREE)
        second = self.table.lend(self.second, self.THREE)
        self.assertIs(self.portOf(first), self.portOf(second))
        self.assertRefused(errno.EADDRINUSE, self.first, self.THREE)
        # Any but that of the port itself, which is the lowest that was free.
        number = first.descriptor + 1
        other = self.table.lend(self.first, evolve(self.THREE, descriptor=number))
        self.assertIsNot(self.portOf(other), self.portOf(first))

    def test_replaced(self) -> None:
        """
        A number that is another socket's by now is another port.
        """
        request = ListenRequest(kind=PortKind.TCP, descriptor=5)
        first = self.table.lend(self.first, request)
        self.portOf(first).isReplaced = True
        second = self.table.lend(self.second, request)
        self.assertNotEqual(first.descriptor, second.descriptor)

    def test_ended(self) -> None:
        """
        A port that somebody else has ended is forgotten when one is asked for, and
        opened again; the others are closed whatever becomes of it.
        """
        self.table.lend(self.second, UDP)
        ended = self.portOf(self.table.lend(self.first, TCP))
        ended.close()
        ended.close = lambda: None  # type: ignore[method-assign]
        with capturedLogs() as events:
            again = self.table.lend(self.second, TCP)
        self.assertIn("somebody else", events[0]["log_format"])
        self.assertTrue(self.portOf(again).isOpen)
        self.assertEqual(len(self.table.readings()), 2)

    def test_cannotClose(self) -> None:
        """
        One that cannot be closed keeps no other open.
        """
        first = self.portOf(self.table.lend(self.first, TCP))
        second = self.portOf(self.table.lend(self.first, UDP))
        # As its descriptor's would be that somebody has closed.
        first.close()
        self.table.closeAll()
        self.assertFalse(second.isOpen)
        self.assertEqual(self.table.readings(), [])
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_own(self) -> None:
        """
        A port that the primary has opened itself is asked for by its address.
        """
        loan = self.table.lend(self.first, TCP)
        self.assertRefused(
            errno.EINVAL,
            self.second,
            ListenRequest(kind=PortKind.TCP, descriptor=loan.descriptor),
        )

    def test_notByIndex(self) -> None:
        """
        It is nobody's port 0.
        """
        three = self.table.lend(self.first, self.THREE)
        chosen = self.table.lend(self.second, CHOSEN)
        self.assertIsNot(self.portOf(chosen), self.portOf(three))

    def test_address(self) -> None:
        """
        It is told with its number.
        """
        loan = self.table.lend(self.first, self.THREE)
        self.assertEqual(self.table.addressOf(loan.number).fd, 3)


class ReadingsTests(TableCase):
    """
    How the ports are.
    """

    def test_readings(self) -> None:
        """
        Of each port it is told where it listens, for whom, and how many wait.
        """
        self.table.lend(self.first, TCP)
        self.table.lend(self.second, TCP)
        self.table.lend(self.second, UDP)
        [tcp, _] = self.opener.openPorts
        tcp.accept(3)
        self.assertEqual(
            self.table.readings(),
            [
                PortReading(
                    address=ListeningAddress(address=None, port=8080, addressType=4),
                    workers=(1, 2),
                    backlog=50,
                    queued=3,
                    underway=0,
                ),
                PortReading(
                    address=ListeningAddress(
                        address=None, port=5353, addressType="udp4"
                    ),
                    workers=(2,),
                    backlog=50,
                    queued=0,
                    underway=0,
                ),
            ],
        )


class BacklogTests(TableCase):
    """
    The operator says how many connections the kernel keeps.
    """

    settings = PortSettings(backlog=500)

    def test_backlog(self) -> None:
        """
        Whatever the application asks for.
        """
        self.table.lend(self.first, evolve(TCP, backlog=10))
        [port] = self.opener.openPorts
        self.assertEqual(port.request.backlog, 500)
        [reading] = self.table.readings()
        self.assertEqual(reading.backlog, 500)
