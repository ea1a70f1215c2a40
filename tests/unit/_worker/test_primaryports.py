"""
Tests of L{twisted_cluster._worker.primaryports}.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from zope.interface.verify import verifyObject

from tests.unit._worker.test_takinglink import KeepingPort, ScriptedPrimary
from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.toprimary import GiveBack, Listen, SendOn, listenRequest
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster.errors import ListenRefused
from twisted_cluster.interfaces import IPrimaryPorts
from twisted_cluster.listening import ListenRequest, Loan, PortKind
from twisted_cluster.testing.channels import MemoryBlockingChannel, connectedChannels

TCP = ListenRequest(kind=PortKind.TCP, interface="::1", port=8080, backlog=7)


class AnsweringPrimary(Channel):
    """
    The primary's end of the query channel.

    @ivar answer: What it answers when a port is asked for; an exception is
        raised instead.
    @ivar requests: What it was asked for.
    @ivar returned: Which loans were given back, and whether in leaving.
    @ivar sentOn: Which were sent to another process.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.answer: dict[str, Any] | Exception = {
            "errno": 0,
            "loan": 5,
            "acceptsItself": False,
            "descriptors": [descriptor],
        }
        self.requests: list[ListenRequest] = []
        self.returned: list[tuple[int, bool]] = []
        self.sentOn: list[int] = []

    @responds(Listen)
    def listen(self, **arguments: Any) -> dict[str, Any]:
        """
        Answer as the test says.
        """
        self.requests.append(listenRequest(arguments))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @responds(SendOn)
    def sendOn(self, loan: int) -> dict[str, Any]:
        """
        Keep what is sent on.
        """
        self.sentOn.append(loan)
        return {}

    @responds(GiveBack)
    def giveBack(self, loan: int, leaving: bool) -> dict[str, Any]:
        """
        Keep what is given back.
        """
        self.returned.append((loan, leaving))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {}


class PrimaryPortsTests(DescriptorsCountedTestCase):
    """
    Tests of L{PrimaryPorts}.
    """

    def setUp(self) -> None:
        """
        Connect both channels.
        """
        super().setUp()
        self.original = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, self.original)
        self.primary = AnsweringPrimary(self.original)
        self.channel = MemoryBlockingChannel(self.primary)
        self.handoffs = ScriptedPrimary()
        link = TakingLink()
        self.pump = connectedChannels(self.handoffs, link)
        self.ports = PrimaryPorts(QueryClient(self.channel), link)

    def assertRefused(self, number: int, reason: str = "") -> None:
        """
        The port cannot be had, for this reason.
        """
        refused = self.assertRaises(ListenRefused, self.ports.borrow, TCP)
        self.assertEqual(refused.errno, number)
        self.assertIn(reason, str(refused))

    def borrow(self) -> Loan:
        """
        Borrow the port; its descriptor is closed with the test.
        """
        loan = self.ports.borrow(TCP)
        self.addCleanup(os.close, loan.descriptor)
        return loan

    def test_borrow(self) -> None:
        """
        The primary is asked for what was asked for, and lends it with a
        descriptor that is the worker's own.
        """
        loan = self.borrow()
        self.assertEqual(self.primary.requests, [TCP])
        self.assertEqual((loan.number, loan.acceptsItself), (5, False))
        self.assertNotEqual(loan.descriptor, self.original)
        self.assertTrue(os.path.sameopenfile(loan.descriptor, self.original))

    def test_refused(self) -> None:
        """
        The primary's reason becomes the application's.
        """
        self.primary.answer = {"errno": errno.EACCES, "reason": "not you"}
        self.assertRefused(errno.EACCES, "not you")

    def test_refusedWithoutWords(self) -> None:
        """
        A number alone is a reason.
        """
        self.primary.answer = {"errno": errno.EADDRINUSE}
        self.assertRefused(errno.EADDRINUSE, "Address already in use")

    def test_senseless(self) -> None:
        """
        An answer that is no port and no refusal is one, and no descriptor that came
        with it stays open; nor does one too many.
        """
        extra = {"descriptors": [self.original] * 2}
        for answer, number in (
            ({"errno": 0}, errno.EPROTO),
            ({"errno": 1 << 80}, errno.EPROTO),
            ({"errno": -1}, errno.EPROTO),
            ({"errno": errno.EACCES}, errno.EACCES),
        ):
            self.primary.answer = {**answer, **extra}
            self.assertRefused(number)
        self.primary.answer = {"errno": 0, "loan": 5, **extra}
        self.assertFalse(self.borrow().acceptsItself)

    def test_noDescriptorLeft(self) -> None:
        """
        A port whose descriptor this process has no room for is given back.
        """
        self.channel.pump.first.truncations.append(0)
        self.assertRefused(errno.EMFILE)
        self.assertEqual(self.primary.returned, [(5, False)])
        self.borrow()

    def test_primaryFails(self) -> None:
        """
        A mistake in the primary is an error in listening, and the channel can
        be used again.
        """
        answer, self.primary.answer = self.primary.answer, ValueError("a mistake")
        self.assertRefused(errno.EIO, "the primary failed")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.primary.answer = answer
        self.borrow()

    def test_primaryGone(self) -> None:
        """
        Without a primary there are no ports.
        """
        self.channel.pump.lose()
        self.assertRefused(errno.ENOTCONN)

    def test_giveBack(self) -> None:
        """
        A port is given back as closed, or as left to a successor.
        """
        loan = self.borrow()
        self.ports.giveBack(loan)
        self.ports.leaving = True
        self.ports.giveBack(loan)
        self.assertEqual(self.primary.returned, [(5, False), (5, True)])

    def test_sendOn(self) -> None:
        """
        A port that is sent to another process is the primary's to leave to it.
        """
        loan = self.borrow()
        self.ports.sendOn(loan)
        self.assertEqual((self.primary.sentOn, self.primary.returned), ([5], []))
        self.channel.pump.lose()
        self.ports.sendOn(loan)

    def test_giveBackToNobody(self) -> None:
        """
        Closing a port never fails: not if the primary does, nor without one.
        """
        loan = self.borrow()
        self.primary.answer = ValueError("a mistake")
        self.ports.giveBack(loan)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.channel.pump.lose()
        self.ports.giveBack(loan)
        self.assertEqual(len(self.primary.returned), 1)

    def test_taking(self) -> None:
        """
        Which ports welcome connections is said on the other channel.
        """
        loan = self.borrow()
        self.ports.startTaking(loan, KeepingPort())
        self.ports.stopTaking(loan)
        self.pump.flush()
        self.assertEqual(self.handoffs.heard, [("start", 5), ("stop", 5)])

    def test_touched(self) -> None:
        """
        So is which insured connections are touched; the application's side knows
        when that is on its way.
        """
        verifyObject(IPrimaryPorts, self.ports)
        self.ports.touch(4711)
        self.assertFalse(self.ports.hasTold)
        self.pump.flush()
        self.assertTrue(self.ports.hasTold)
        self.assertEqual(self.handoffs.heard, [("touched", 4711)])
