"""
Tests of L{twisted_cluster._wire.correspondence}.
"""

from __future__ import annotations

import gc
import os
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.protocols.amp import CommandLocator
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit.doubling import Double, Doubling
from tests.unit.realreactor import DescriptorsCountedTestCase
from tests.unit.sending import SentFile
from twisted_cluster._wire.correspondence import Correspondence, Locators
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.lanes import Handle
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster.errors import (
    AnswerFailed,
    AnswerTimeout,
    ChannelClosed,
    ConfigurationError,
    HandleRefused,
)
from twisted_cluster.interfaces import IHandles, ISending
from twisted_cluster.testing.channels import connectedChannels


@implementer(IHandles)
class Files:
    """
    Sends open files, by their descriptors, and makes descriptors of what comes.

    @ivar parcels: What was sent.
    @ivar options: How.
    @ivar received: The descriptors that came.
    """

    def __init__(self) -> None:
        self.parcels: list[SentFile] = []
        self.options: list[tuple[bool, bytes]] = []
        self.received: list[int] = []

    def detach(self, thing: Any, keepOpen: bool, unread: bytes) -> SentFile:
        """
        Send numbers only.
        """
        if not isinstance(thing, int):
            raise ConfigurationError("no descriptor")
        self.options.append((keepOpen, unread))
        self.parcels.append(SentFile(Handle("file", thing)))
        return self.parcels[-1]

    def attach(self, handle: Handle) -> int:
        """
        Keep what came; one that is described as nonsense is none.
        """
        self.received.append(handle.descriptor)
        return handle.descriptor


class CorrespondenceTests(DescriptorsCountedTestCase):
    """
    Tests of L{Correspondence}.
    """

    def setUp(self) -> None:
        """
        Connect two.
        """
        super().setUp()
        self.clock = Clock()
        self.files = Files()
        nearChannel, farChannel = (MessagingChannel(JSONCodec()) for _ in range(2))
        self.near = Correspondence(nearChannel, self.files, self.clock, "worker 3")
        self.far = Correspondence(farChannel, self.files, self.clock)
        self.pump = connectedChannels(nearChannel, farChannel)
        self.received: list[tuple[object, object]] = []
        self.addCleanup(self._closeReceived)

    def _closeReceived(self) -> None:
        """
        Close what came.
        """
        for descriptor in self.files.received:
            os.close(descriptor)

    def receive(self) -> None:
        """
        Have the far side receive.
        """
        self.far.receive(lambda message, along: self.received.append((message, along)))

    def test_interfaces(self) -> None:
        """
        The doubles are what they say they are.
        """
        verifyObject(IHandles, self.files)
        verifyObject(ISending, SentFile(Handle("file", 0)))

    def test_message(self) -> None:
        """
        A message arrives with nothing; its Deferred fires then.
        """
        self.receive()
        sent = self.near.send({"a": [1]})
        self.assertNoResult(sent)
        self.pump.flush()
        self.assertIsNone(self.successResultOf(sent))
        self.assertEqual(self.received, [({"a": [1]}, None)])

    def test_along(self) -> None:
        """
        What goes along arrives with its message, as a descriptor of the other
        side's own; the sender is told, not before, that it can let go.
        """
        self.receive()
        descriptor = self.aDescriptor()
        sent = self.near.send("file", descriptor, keepOpen=True, unread=b"rest")
        [parcel] = self.files.parcels
        self.assertEqual((self.files.options, parcel.outcomes), ([(True, b"rest")], []))
        self.pump.flush()
        self.assertIsNone(self.successResultOf(sent))
        self.assertEqual(parcel.outcomes, ["delivered"])
        [(message, along)] = self.received
        assert isinstance(along, int)
        self.assertEqual(message, "file")
        self.assertNotEqual(along, descriptor)
        self.assertTrue(os.path.sameopenfile(along, descriptor))

    def test_options(self) -> None:
        """
        If nothing is said, nothing is kept and nothing was read.
        """
        sent = self.near.send("file", self.aDescriptor())
        self.assertEqual(self.files.options, [(False, b"")])
        self.pump.lose()
        self.failureResultOf(sent, ChannelClosed)

    def test_refused(self) -> None:
        """
        What the other side has no room for stays here, and whoever sent it is
        told.
        """
        self.receive()
        self.pump.second.truncations.append(0)
        sent = self.near.send("file", self.aDescriptor())
        self.pump.flush()
        self.failureResultOf(sent, HandleRefused)
        self.assertEqual(self.files.parcels[0].outcomes, ["failed"])
        self.assertEqual(self.received, [])

    def test_lost(self) -> None:
        """
        What was not delivered when the channel was lost stays here, and so does
        what is sent later.
        """
        early = self.near.send("file", self.aDescriptor())
        self.pump.lose()
        late = self.near.send("file", self.aDescriptor())
        for sent in (early, late):
            self.failureResultOf(sent, ChannelClosed)
        self.assertEqual(
            [parcel.outcomes for parcel in self.files.parcels], [["failed"]] * 2
        )

    def test_noLongerWaitedFor(self) -> None:
        """
        Whoever waits no longer for the delivery has not prevented it: what goes
        along is not used here again.
        """
        sent = self.near.send("file", self.aDescriptor())
        sent.cancel()
        self.failureResultOf(sent, defer.CancelledError)
        self.assertEqual(self.files.parcels[0].outcomes, [])
        self.receive()
        self.pump.flush()
        self.assertEqual([message for message, _ in self.received], ["file"])
        self.assertEqual(self.files.parcels[0].outcomes, ["delivered"])

    def test_noMessage(self) -> None:
        """
        A message that cannot be put into bytes is a mistake at once; what would
        have gone along stays here, and can be used as before.
        """
        with self.assertRaises(TypeError):
            self.near.send(object())
        with self.assertRaises(TypeError):
            self.near.send(object(), self.aDescriptor())
        self.assertEqual(self.files.parcels[0].outcomes, ["failed"])

    def test_cannotBeSent(self) -> None:
        """
        What cannot go along is a mistake at once, and the message is not sent.
        """
        self.receive()
        with self.assertRaises(ConfigurationError):
            self.near.send("file", "no file")
        self.pump.flush()
        self.assertEqual(self.received, [])

    def test_ask(self) -> None:
        """
        A question is answered with what the other side returns, now or later.
        """
        later: Deferred[str] = Deferred()
        self.far.answer(lambda question: later if question == "later" else question)
        now, waiting = self.near.ask(5), self.near.ask("later")
        self.pump.flush()
        self.assertEqual(self.successResultOf(now), 5)
        self.assertNoResult(waiting)
        later.callback("now")
        self.pump.flush()
        self.assertEqual(self.successResultOf(waiting), "now")

    def test_noAnswer(self) -> None:
        """
        A question that nobody answers fails.
        """
        asked = self.near.ask(5)
        self.pump.flush()
        self.failureResultOf(asked, AnswerFailed)

    def test_timeout(self) -> None:
        """
        Nor does one wait longer than one wants to; an answer that comes in time
        leaves no timer behind.
        """
        later: Deferred[str] = Deferred()
        self.far.answer(lambda question: later if question == "later" else question)
        asked = self.near.ask("later", timeout=2)
        answered = self.near.ask("now", timeout=3)
        self.pump.flush()
        self.assertEqual(self.successResultOf(answered), "now")
        self.clock.advance(1.9)
        self.assertNoResult(asked)
        self.clock.advance(0.2)
        late = self.failureResultOf(asked, defer.TimeoutError).value
        assert isinstance(late, AnswerTimeout)
        self.assertEqual(str(late), "worker 3 did not answer in 2 s")
        self.assertEqual((late.who, late.timeout), ("worker 3", 2))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        later.callback("too late")
        with capturedLogs() as events:
            self.pump.flush()
            gc.collect()
        self.assertEqual(events, [])

    def test_noTimeout(self) -> None:
        """
        What is no time to wait is refused, before anything is asked.
        """
        asked: list[object] = []
        self.far.answer(asked.append)
        nonsense: list[Any] = [-1, float("nan"), float("inf"), "5"]
        for timeout in nonsense:
            problem = self.assertRaises(
                ConfigurationError, self.near.ask, "what?", timeout=timeout
            )
            self.assertIn(f"not {timeout!r}", str(problem))
        self.pump.flush()
        self.assertEqual(asked, [])

    def test_commands(self) -> None:
        """
        The application's own commands are responded to by the first locator
        that knows them; declared errors cross the channel.
        """
        self.far.locators.add(CommandLocator())
        self.far.locators.add(Doubling())
        good = self.near.callRemote(Double, number=4)
        bad = self.near.callRemote(Double, number=0)
        self.pump.flush()
        self.assertEqual(self.successResultOf(good), {"number": 8})
        self.failureResultOf(bad, KeyError)

    def test_noLocator(self) -> None:
        """
        Without anybody who knows a command there is nothing that responds.
        """
        self.assertIsNone(Locators().locateResponder(b"Double"))

    def test_notALocator(self) -> None:
        """
        What has no responders cannot be added.
        """
        self.assertRaises(TypeError, self.far.locators.add, object())
