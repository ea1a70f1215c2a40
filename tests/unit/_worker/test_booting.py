"""
Tests of L{twisted_cluster._worker.booting}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit._worker.test_primarylink import ScriptedPrimary
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster._wire.toprimary import WIRE_VERSION, Announce
from twisted_cluster._wire.toworker import Leave
from twisted_cluster._worker.booting import Boot
from twisted_cluster.errors import ChannelClosed, ChannelError
from twisted_cluster.events import ListeningAddress
from twisted_cluster.interfaces import IHandles, ISending
from twisted_cluster.testing.channels import (
    ChannelPump,
    MemoryBlockingChannel,
    connectedChannels,
)


class GreetingPrimary(Channel):
    """
    The primary's end of the query channel, when a worker comes up.

    @ivar heard: The versions that workers spoke.
    @ivar serialization: How messages become bytes.
    @ivar pipes: Which descriptors of the worker's are pipes to the primary.
    """

    serialization = "json"
    pipes: Sequence[int] | None = None

    def __init__(self, version: int = WIRE_VERSION) -> None:
        super().__init__()
        self.heard: list[int] = []
        self._version = version

    @responds(Announce)
    def announce(self, wireVersion: int) -> dict[str, Any]:
        """
        Answer with this primary's version.
        """
        self.heard.append(wireVersion)
        return {
            "wireVersion": self._version,
            "worker": 7,
            "serialization": self.serialization,
            "pipes": self.pipes,
        }


class ServingNothing:
    """
    A worker without ports or clients: what it is asked when it leaves.
    """

    def closePorts(self) -> Deferred[None]:
        """
        There are none.
        """
        return succeed(None)

    whenServed = whenIdle = closePorts

    def whenListening(self) -> Deferred[ListeningAddress]:
        """
        Never.
        """
        return Deferred()


@implementer(IHandles)
class NoHandles:
    """
    Messages without anything that goes along.
    """

    def detach(self, thing: object, keepOpen: bool, unread: bytes) -> ISending:
        """
        Not here.
        """
        raise NotImplementedError

    def attach(self, handle: Any) -> object:
        """
        Nor this.
        """
        raise NotImplementedError


class ServingReactor(SelectReactor):
    """
    A reactor that knows what it serves, as the layered one does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.serving = ServingNothing()


class AnnouncementTests(SynchronousTestCase):
    """
    The first word.
    """

    def test_announces(self) -> None:
        """
        A worker says which wire it speaks.
        """
        primary = GreetingPrimary()
        Boot(QueryClient(MemoryBlockingChannel(primary))).announce()
        self.assertEqual(primary.heard, [WIRE_VERSION])

    def test_learns(self) -> None:
        """
        It learns its number, and how messages become bytes.
        """
        for name, message in (("json", "text"), ("advanced", b"bytes")):
            primary = GreetingPrimary()
            primary.serialization = name
            boot = Boot(QueryClient(MemoryBlockingChannel(primary)))
            boot.announce()
            self.assertEqual(boot.worker.id, 7)
            other = MessagingChannel(codecNamed(name))
            pump = connectedChannels(other, boot.link)
            other.answerQuestions(lambda question: question)
            answered = boot.link.ask(message)
            pump.flush()
            self.assertEqual(self.successResultOf(answered), message)

    def test_learnsPipes(self) -> None:
        """
        It learns which of its descriptors are pipes to the primary, if any are.
        """
        for said, pipes in ((None, ()), ([], ()), ([0, 4], (0, 4))):
            primary = GreetingPrimary()
            primary.pipes = said
            boot = Boot(QueryClient(MemoryBlockingChannel(primary)))
            boot.announce()
            self.assertEqual(boot.pipes, pipes)

    def test_otherRelease(self) -> None:
        """
        A primary of another release is not to be worked for; the message says
        what to do.
        """
        primary = GreetingPrimary(WIRE_VERSION + 1)
        boot = Boot(QueryClient(MemoryBlockingChannel(primary)))
        problem = self.assertRaises(ChannelError, boot.announce)
        self.assertIn("restart the primary", str(problem))

    def test_primaryGone(self) -> None:
        """
        Nor can one work for a primary that is gone.
        """
        channel = MemoryBlockingChannel(GreetingPrimary())
        channel.pump.lose()
        boot = Boot(QueryClient(channel))
        self.assertRaises(ChannelClosed, boot.announce)


class ReactorTests(SynchronousTestCase):
    """
    How a worker follows its reactor's life.
    """

    def setUp(self) -> None:
        """
        Make a reactor of the test's own.
        """
        self.reactor = ServingReactor()
        self.addCleanup(self._closeReactor)
        self.boot = Boot(QueryClient(MemoryBlockingChannel(GreetingPrimary())))
        self.boot.announce()
        self.primary = ScriptedPrimary()
        self.pump: ChannelPump = connectedChannels(self.primary, self.boot.link)
        self.boot.reactorInstalled(
            self.reactor,
            Correspondence(self.boot.link, NoHandles(), self.reactor),
            {},
        )

    def _closeReactor(self) -> None:
        """
        Close what the reactor wakes itself with.
        """
        for reader in self.reactor.removeAll():
            reader.connectionLost(Failure(ConnectionDone()))
        for waker in self.reactor._internalReaders:
            waker.connectionLost(Failure(ConnectionDone()))

    def run_(self) -> None:
        """
        Run the reactor until something stops it.
        """
        self.reactor.run(installSignalHandlers=False)

    def test_running(self) -> None:
        """
        It reports that it runs when it does, and not before.
        """
        self.pump.flush()
        self.assertEqual(self.primary.heard, [])
        self.reactor.callWhenRunning(self.reactor.stop)
        self.run_()
        self.pump.flush()
        self.assertEqual(self.primary.heard, ["running"])

    def test_leaving(self) -> None:
        """
        What is closed while it shuts down is left to its successor: known
        before anything that the application does then.
        """
        seen: list[bool] = []
        self.reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: seen.append(self.boot.ports.leaving)
        )
        self.reactor.callWhenRunning(lambda: seen.append(self.boot.ports.leaving))
        self.reactor.callWhenRunning(self.reactor.stop)
        self.run_()
        self.assertEqual(seen, [False, True])

    def test_askedToLeave(self) -> None:
        """
        When the primary asks it to leave, it closes the channel and stops, and
        does not take that for the primary's end.
        """

        def ask() -> None:
            self.primary.callRemote(Leave).addErrback(
                lambda failure: failure.trap(ChannelClosed)
            )
            self.pump.flush()

        self.reactor.callWhenRunning(ask)
        with capturedLogs() as events:
            self.run_()
        self.assertFalse(self.primary.connected)
        self.assertTrue(self.boot.worker.exitedAfterDisconnect)
        self.assertNotIn(
            "the primary is gone; stopping",
            [event.get("log_format") for event in events],
        )

    def test_primaryLost(self) -> None:
        """
        When the primary is gone, it stops, and says why.
        """
        self.reactor.callWhenRunning(self.pump.lose)
        with capturedLogs() as events:
            self.run_()
        self.assertIn(
            "the primary is gone; stopping",
            [event.get("log_format") for event in events],
        )
        self.assertTrue(self.boot.ports.leaving)

    def finishing(self, orphanTime: float) -> list[float]:
        """
        Lose the primary of a worker that may outlive it, and that has a client
        for a fifth of a second.

        @return: For how long it went on.
        """
        self.boot._orphanTime = orphanTime
        served: Deferred[None] = Deferred()
        self.patch(ServingNothing, "whenServed", lambda _: served)
        lasted: list[float] = []

        def lose() -> None:
            begin = self.reactor.seconds()
            self.reactor.addSystemEventTrigger(
                "before",
                "shutdown",
                lambda: lasted.append(self.reactor.seconds() - begin),
            )
            self.reactor.callLater(0.2, served.callback, None)
            self.pump.lose()

        self.reactor.callWhenRunning(lose)
        self.run_()
        return lasted

    def test_finishes(self) -> None:
        """
        A worker that may outlive its primary stops when it has finished with its
        clients.
        """
        [lasted] = self.finishing(orphanTime=60)
        self.assertTrue(0.1 < lasted < 30, lasted)
        self.assertTrue(self.boot.ports.leaving)

    def test_finishesInTime(self) -> None:
        """
        It stops when its time is over, if that is first.
        """
        [lasted] = self.finishing(orphanTime=0.01)
        self.assertLess(lasted, 0.19)

    def test_primaryLostWhileStopping(self) -> None:
        """
        A primary that goes while it stops anyway is nothing to speak of.
        """
        self.reactor.addSystemEventTrigger("before", "shutdown", self.pump.lose)
        self.reactor.callWhenRunning(self.reactor.stop)
        with capturedLogs() as events:
            self.run_()
        self.assertEqual([event for event in events if event.get("log_failure")], [])
        self.assertNotIn(
            "the primary is gone; stopping",
            [event.get("log_format") for event in events],
        )

    def test_primaryLostBeforeItRuns(self) -> None:
        """
        A primary that goes before there is a reactor that runs stops nothing
        that cannot be stopped.
        """
        self.pump.lose()
        self.assertTrue(self.boot.ports.leaving)
