"""
Tests of L{twisted_cluster._wire.messaging} and L{twisted_cluster._wire.lanes}.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.protocols import amp
from twisted.python.failure import Failure

from tests.unit._wire.messagingends import LARGE, Link, MessagingCase, Note
from tests.unit.realreactor import RealReactorTestCase, openDescriptors
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._wire import channel, lanes
from twisted_cluster._wire.boxes import serialize
from twisted_cluster._wire.descriptors import inodeOf
from twisted_cluster._wire.hearing import GRACE
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.lanes import (
    BATCH,
    HANDLE,
    PART_LIMIT,
    SMALL,
    UNTOLD,
    WINDOW,
    Delivered,
    Handle,
)
from twisted_cluster._wire.messaging import Messages, MessagingChannel
from twisted_cluster._wire.questions import Questions
from twisted_cluster.errors import (
    AnswerFailed,
    ChannelClosed,
    HandleRefused,
    MalformedBox,
    MessageRefused,
)


class MessageTests(MessagingCase):
    """
    Tests for sending messages.
    """

    def test_delivered(self) -> None:
        """
        The Deferred fires when the receiver was given the message, not before.
        """
        self.far.listen()
        sent = self.near.sendMessage(b"hello")
        self.assertNoResult(sent)
        self.assertEqual(self.near.undelivered, 1)
        self.pump.flush()
        self.assertEqual(self.far.received, [b"hello"])
        self.assertIsNone(self.successResultOf(sent))
        self.assertEqual(self.near.undelivered, 0)

    def test_bothWays(self) -> None:
        """
        A receiver can answer with a message, which confirms the first one too.
        """
        self.near.listen()
        self.far.receiveMessages(lambda message, handle: self.far.sendMessage(message))
        sent = [self.near.sendMessage(b"%d" % n) for n in range(100)]
        self.pump.flush()
        self.assertEqual(self.near.received, [b"%d" % n for n in range(100)])
        self.assertEqual(self.outcomes(*sent), [None] * 100)
        self.assertEqual([self.near.undelivered, self.far.undelivered], [0, 0])

    @given(
        st.lists(
            st.sampled_from([0, 1, 100, BATCH, SMALL, SMALL + 1, PART_LIMIT, LARGE]),
            max_size=12,
        ),
        st.integers(min_value=1000, max_value=70000),
    )
    @settings(deadline=None, max_examples=60)
    def test_order(self, sizes: list[int], cut: int) -> None:
        """
        Messages of any sizes arrive as they are and in their order, wherever the
        stream is cut; and are delivered in it.
        """
        self.connect()
        self.pump.second.cut = cut
        messages = [bytes([n]) * size for n, size in enumerate(sizes)]
        self.far.listen()
        order: list[int] = []
        for n, message in enumerate(messages):
            sent = self.near.sendMessage(message)
            sent.addCallback(lambda _, n: order.append(n), n)
        self.pump.flush()
        self.assertEqual(self.far.received, messages)
        self.assertEqual(order, list(range(len(messages))))

    def test_lengthFields(self) -> None:
        """
        Messages around the size of a length field and of a read arrive whole.
        """
        self.far.listen()
        messages = [bytes([n]) * 65521 for n in range(6)]
        messages += [b"a" * size for size in (65535, 65536, 65537)]
        for message in messages:
            self.near.sendMessage(message)
        self.pump.flush()
        self.assertEqual(self.far.received, messages)

    def test_large(self) -> None:
        """
        Four messages of 8 MiB arrive in their order.
        """
        self.far.listen()
        messages = [bytes([n]) * 8 * 1024 * 1024 for n in range(4)]
        for message in messages:
            self.near.sendMessage(message)
        self.pump.flush()
        self.assertTrue(self.far.received == messages)

    def test_refusedByCodec(self) -> None:
        """
        What cannot be encoded is refused at once, and nothing is sent.
        """
        self.far.listen()
        with self.assertRaises(TypeError):
            self.near.sendMessage("text")
        with self.assertRaises(TypeError):
            self.near.ask("text")
        self.assertFalse(self.pump.step())

    def test_undecodable(self) -> None:
        """
        A message that cannot be decoded is logged and dropped, and who sent it is
        told; those around it are delivered, and the channel goes on.
        """
        self.far.listen()
        messages = (b"1", b"2", b"3", b"?", b"4", b"?", b"5")
        sent = []
        for message in messages:
            sent.append(self.near.sendMessage(message))
            watched = self.near.whenDelivered()
        self.pump.flush()
        self.assertEqual(self.far.received, [b"1", b"2", b"3", b"4", b"5"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        for message, told in zip(messages, sent, strict=True):
            if message == b"?":
                self.failureResultOf(told, MessageRefused)
            else:
                self.successResultOf(told)
        self.successResultOf(watched)
        self.assertEqual(self.near.undelivered, 0)

    def test_undecodableAnswered(self) -> None:
        """
        Nor is one taken for delivered if somebody answers at once to one that came
        with it.
        """
        self.near.listen()
        self.far.receiveMessages(lambda message, _: self.far.sendMessage(message))
        good = [self.near.sendMessage(b"%d" % n) for n in range(5)]
        bad = self.near.sendMessage(b"?")
        good += [self.near.sendMessage(b"%d" % n) for n in range(5)]
        self.pump.flush()
        self.assertEqual(self.outcomes(*good), [None] * 10)
        self.failureResultOf(bad, MessageRefused)
        self.assertEqual(len(self.near.received), 10)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_undecodableLarge(self) -> None:
        """
        So it is with one of many boxes.
        """
        self.far.listen()
        sent = self.near.sendMessage(b"?" * LARGE)
        after = self.near.sendMessage(b"after")
        self.pump.flush()
        self.failureResultOf(sent, MessageRefused)
        self.successResultOf(after)
        self.assertEqual(self.far.received, [b"after"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_tooLarge(self) -> None:
        """
        A message that the other side would not take is refused at once, and so is a
        question; an answer is one that failed.
        """
        self.patch(lanes, "MESSAGE_LIMIT", LARGE - 1)
        self.far.listen()
        self.near.answerQuestions(lambda question: b"x" * LARGE)
        for say in (self.near.sendMessage, self.near.ask):
            problem = self.assertRaises(ValueError, say, b"x" * LARGE)
            self.assertIn("bytes", str(problem))
        answered = self.far.ask(b"?")
        sent = self.near.sendMessage(b"x" * (LARGE - 1))
        self.pump.flush()
        self.successResultOf(sent)
        self.failureResultOf(answered, AnswerFailed)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_receiverRaises(self) -> None:
        """
        A receiver that raises loses no message: each was delivered.
        """
        self.far.receiveMessages(lambda message, handle: 1 // 0)
        sent = [self.near.sendMessage(b"x") for _ in range(10)]
        self.pump.flush()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 10)
        self.assertEqual(self.outcomes(*sent), [None] * 10)

    def test_groups(self) -> None:
        """
        Who receives groups is given those that came together, in their order.  What
        it raises is logged, and costs nobody the following.
        """
        groups: list[list[bytes]] = []

        def receive(messages: Iterator[bytes], along: object) -> None:
            groups.append(list(messages))
            raise ZeroDivisionError

        self.far.receiveGroups(receive)
        sent = [self.near.sendMessage(b"%d" % n) for n in range(10)]
        self.pump.flush()
        received = [message for group in groups for message in group]
        self.assertEqual(received, [b"%d" % n for n in range(10)])
        self.assertLess(len(groups), 10)
        failures = self.flushLoggedErrors(ZeroDivisionError)
        self.assertEqual(len(failures), len(groups))
        self.assertEqual(self.outcomes(*sent), [None] * 10)

    @given(
        st.lists(st.sampled_from([1, 40, SMALL, LARGE]), max_size=40),
        st.lists(st.integers(0, 5), min_size=1, max_size=60),
        st.integers(0, 8),
    )
    @settings(deadline=None, max_examples=60)
    def test_leftOver(self, sizes: list[int], takes: list[int], every: int) -> None:
        """
        What a receiver leaves waits until it wants more, in its order and before what
        comes later.  It is delivered one by one as it is taken, unless some of what
        came together could not be decoded: then when all is.
        """
        self.connect()
        received: list[bytes] = []
        room = 0

        def receive(messages: Iterator[bytes], along: object) -> None:
            nonlocal room
            self.assertGreater(room, 0)
            for message in messages:
                received.append(message)
                room -= 1
                # It must not be taken for wanting more.
                self.far.goOn()
                self.far.sendMessage(b"heard")
                if not room:
                    break

        self.far.receiveGroups(receive, isWanted=lambda: room > 0)
        self.near.listen()
        messages = [
            (b"?" if every and not n % every else b"%d" % (n % 10)) * size
            for n, size in enumerate(sizes)
        ]
        readable = [each for each in messages if not each.startswith(b"?")]
        sent, watched = [], []
        for each in messages:
            sent.append(self.near.sendMessage(each))
            watched.append(self.near.whenDelivered())
        with capturedLogs():
            self.pump.flush()
            for room in [*takes, len(sizes) + 1]:
                before, wanted = len(received), room
                self.far.goOn()
                self.pump.flush()
                self.assertEqual(len(received), min(before + wanted, len(readable)))
                settled = [each for each in sent if each.called]
                delivered = [each for each in settled if each.result is None]
                self.assertLessEqual(len(delivered), len(received))
                if len(readable) == len(messages):
                    self.assertEqual(len(delivered), len(received))
                self.assertEqual(sum(each.called for each in watched), len(settled))
                self.assertEqual(self.near.undelivered, len(sent) - len(settled))
        self.flushLoggedErrors(ValueError)
        self.assertTrue(received == readable)
        self.assertEqual(
            self.outcomes(*sent),
            [MessageRefused if each.startswith(b"?") else None for each in messages],
        )

    def test_commandsKeepTheirPlace(self) -> None:
        """
        A command that is sent after messages does not overtake those that were
        only gathered.
        """
        self.far.listen()
        for n in range(10):
            self.near.sendMessage(b"%d" % n)
        self.near.tell(Note)
        self.pump.flush()
        self.assertEqual(self.far.received[-1], "note")
        self.assertEqual(len(self.far.received), 11)

    def test_gathered(self) -> None:
        """
        Many small messages share boxes.
        """
        self.far.listen()
        self.near.sendMessage(b"")
        self.pump.flush()
        alone = self.far.bytesRead
        for _ in range(1000):
            self.near.sendMessage(b"")
        self.pump.flush()
        self.assertEqual(len(self.far.received), 1001)
        self.assertLess(self.far.bytesRead, 1000 * alone / 3)


class WindowTests(MessagingCase):
    """
    Tests for what bounds memory and waiting.
    """

    def test_early(self) -> None:
        """
        Messages wait for a receiver, and are not delivered before.
        """
        sent = [self.near.sendMessage(b"%d" % n) for n in range(3)]
        self.pump.flush()
        self.assertEqual(self.near.undelivered, 3)
        self.far.listen()
        self.assertEqual(self.far.received[0], b"0")
        self.pump.flush()
        self.assertEqual(self.far.received, [b"0", b"1", b"2"])
        self.assertEqual(self.outcomes(*sent), [None] * 3)

    def test_senderKeepsTheRest(self) -> None:
        """
        No more than a window goes to a side that has no receiver; it gets
        everything when it has one.
        """
        message = b"x" * (8 * WINDOW)
        sent = self.near.sendMessage(message)
        self.pump.flush()
        self.assertLess(self.far.bytesRead, 1.5 * WINDOW)
        self.assertNoResult(sent)
        self.far.listen()
        self.pump.flush()
        self.assertTrue(self.far.received == [message])
        self.assertIsNone(self.successResultOf(sent))

    def test_toldSeldom(self) -> None:
        """
        While a large message comes, its sender is told only so often that it need
        not wait.
        """
        # Read part by part.
        self.pump.second.cut = PART_LIMIT
        self.far.listen()
        sent = self.near.sendMessage(b"x" * (8 * WINDOW))
        self.pump.flush()
        self.assertIsNone(self.successResultOf(sent))
        once = len(serialize({amp.COMMAND: b"delivered", b"lane": b"messages"})) + 20
        self.assertLess(self.near.bytesRead, (8 * WINDOW / UNTOLD + 2) * once)

    def test_toldAtOnce(self) -> None:
        """
        That a message was delivered is told when it was, even if the next one
        begins in the same box and takes long.
        """
        self.far.listen()
        sent = [self.near.sendMessage(b"1"), self.near.sendMessage(b"2")]
        # Gathered, as two boxes are on the way.
        sent.append(self.near.sendMessage(b"3"))
        self.near.sendMessage(b"x" * (PART_LIMIT + UNTOLD // 2))
        while not sent[2].called:
            self.assertTrue(self.pump.step())
        self.assertLess(self.near.undelivered, 2)
        self.assertEqual(self.outcomes(*sent), [None] * 3)
        self.pump.flush()
        self.assertEqual(len(self.far.received), 4)

    def test_manySmallOnes(self) -> None:
        """
        Neither do more than a window of messages without any bytes.
        """
        for _ in range(WINDOW // 4):
            self.near.sendMessage(b"")
        self.pump.flush()
        self.assertLess(self.far.bytesRead, 1.5 * WINDOW)
        self.assertEqual(self.near.undelivered, WINDOW // 4)
        self.far.listen()
        self.pump.flush()
        self.assertEqual(len(self.far.received), WINDOW // 4)

    def test_commandsDoNotWait(self) -> None:
        """
        A command, such as a connection that is handed off, is behind no more than
        a window of a message, however large that is.
        """
        self.far.listen()
        self.near.sendMessage(b"x" * (20 * WINDOW))
        self.near.tell(Note)
        while "note" not in self.far.received:
            self.assertTrue(self.pump.step())
        self.assertEqual(self.far.received, ["note"])
        self.assertLess(self.far.bytesRead, 1.5 * WINDOW)
        self.pump.flush()
        self.assertEqual(len(self.far.received), 2)

    def test_ignored(self) -> None:
        """
        A peer that does not keep to the window is cut off, with a reason that is
        logged, before it fills the memory.
        """
        part = b"x" * PART_LIMIT
        box = serialize(
            {
                amp.COMMAND: Messages.commandName,
                b"parts": struct.pack("!Q", len(part)),
                b"content": part,
            }
        )
        for _ in range(2 * WINDOW // PART_LIMIT):
            self.pump.first.write(box)
        with capturedLogs() as events:
            self.pump.flush()
        self.assertTrue(self.far.lost)
        self.assertLess(self.far.bytesRead, 2 * WINDOW)
        self.assertIn("window", str(events[0]["error"]))

    def test_unconfirmed(self) -> None:
        """
        What is unconfirmed shrinks with everything that the other side takes.
        """
        self.assertEqual(self.near.unconfirmed, 0)
        self.near.sendMessage(b"x" * (4 * WINDOW))
        self.near.sendMessage(b"small")
        self.pump.flush()
        before = self.near.unconfirmed
        self.assertGreater(before, 4 * WINDOW)
        self.far.listen()
        while self.near.unconfirmed == before:
            self.assertTrue(self.pump.step())
        self.assertLess(self.near.unconfirmed, before)
        self.pump.flush()
        self.assertEqual(self.near.unconfirmed, 0)

    def test_sentFromDelivery(self) -> None:
        """
        What is sent when a message was delivered goes out.
        """
        self.far.listen()

        def again(_: None) -> None:
            self.near.sendMessage(b"second")

        self.near.sendMessage(b"first").addCallback(again)
        self.pump.flush()
        self.assertEqual(self.far.received, [b"first", b"second"])

    def test_sentFromEarlyDelivery(self) -> None:
        """
        A receiver that gets messages that have waited can send.
        """
        self.near.sendMessage(b"early")
        self.pump.flush()
        self.near.listen()
        self.far.receiveMessages(lambda message, handle: self.far.sendMessage(message))
        self.pump.flush()
        self.assertEqual(self.near.received, [b"early"])


class DeliveryTests(MessagingCase):
    """
    Tests for knowing when all was delivered, or nothing will be.
    """

    def test_lookedAtLater(self) -> None:
        """
        A Deferred fires whether somebody looked at it before, looks at it later,
        or does neither; one that is cancelled or paused does as it was told.
        """
        self.far.listen()
        before, later, cancelled, paused = (
            self.near.sendMessage(b"%d" % number) for number in range(4)
        )
        results: list[str] = []
        before.addCallback(lambda _: results.append("before"))
        cancelled.cancel()
        paused.pause()
        self.pump.flush()
        self.assertEqual(results, ["before"])
        later.addCallback(lambda _: results.append("later"))
        paused.addCallback(lambda _: results.append("paused"))
        self.assertEqual(results, ["before", "later"])
        paused.unpause()
        self.assertEqual(results, ["before", "later", "paused"])
        self.failureResultOf(cancelled, CancelledError)
        self.assertEqual(len(self.far.received), 4)

    def test_whenDelivered(self) -> None:
        """
        It fires when what was sent before is delivered: underway, gathered, or
        waiting for the window.
        """
        self.assertIsNone(self.successResultOf(self.near.whenDelivered()))
        for messages in ([b"1"], [b"1"] * 9, [b"1" * 4 * WINDOW]):
            for message in messages:
                self.near.sendMessage(message)
            delivered = self.near.whenDelivered()
            self.near.sendMessage(b"later")
            self.assertNoResult(delivered)
            self.far.listen()
            self.pump.flush()
            self.assertIsNone(self.successResultOf(delivered))

    def test_whenDeliveredAnswers(self) -> None:
        """
        Questions count too.
        """
        self.near.ask(b"what?").addErrback(lambda _: None)
        delivered = self.near.whenDelivered()
        self.assertEqual(self.near.undelivered, 1)
        self.assertNoResult(delivered)
        self.pump.flush()
        self.assertIsNone(self.successResultOf(delivered))

    def test_lost(self) -> None:
        """
        When the channel is lost, every message that was not delivered fails,
        once, in its order; so does what waits for them.
        """
        sent = [self.near.sendMessage(b"x") for _ in range(5)]
        sent.append(self.near.sendMessage(b"x" * 2 * WINDOW))
        sent.append(self.near.sendMessage(b"y"))
        waits = self.near.whenDelivered()
        results = self.outcomes(*sent, waits)
        self.pump.flush()
        self.pump.lose()
        self.assertEqual(results, [ChannelClosed] * 8)
        self.assertEqual(self.near.undelivered, 0)

    def test_closed(self) -> None:
        """
        Sending and asking after that fail.
        """
        self.pump.lose()
        sent, asked = self.near.sendMessage(b"x"), self.near.ask(b"x")
        self.failureResultOf(sent, ChannelClosed)
        self.failureResultOf(asked, ChannelClosed)
        self.far.listen()
        self.assertEqual(self.far.received, [])

    def test_sendFromFailure(self) -> None:
        """
        Whoever sends again as soon as a message failed is told so too.
        """
        again: list[Deferred[None]] = []
        self.near.sendMessage(b"x").addErrback(
            lambda _: again.append(self.near.sendMessage(b"x"))
        )
        self.pump.lose()
        self.failureResultOf(again[0], ChannelClosed)

    def test_tooMuchConfirmed(self) -> None:
        """
        A peer that confirms what was not sent has lost its way.
        """
        for sent, confirmed in (
            (0, {"boxes": 1}),
            (0, {"boxes": 0, "begun": 1}),
            (1, {"boxes": 0, "begun": 2}),
            (1, {"boxes": 1, "begun": 1}),
            (1, {"boxes": 0, "begun": -1}),
        ):
            self.connect()
            if sent:
                self.near.sendMessage(b"once").addErrback(lambda _: None)
            self.far.tell(Delivered, lane=Messages.commandName, **confirmed)
            with capturedLogs() as events:
                self.pump.flush()
            self.assertIsInstance(events[0]["error"], MalformedBox)
            self.assertTrue(self.near.lost)


class EndTests(MessagingCase):
    """
    Tests for the end of the conversation.
    """

    def test_sayNoMore(self) -> None:
        """
        Whoever has to say no more is refused, as if the channel were closed, except
        for answers; and it is known how much was said.
        """
        self.far.listen()
        self.near.answerQuestions(lambda question: question)
        self.assertTrue(self.near.maySay)
        first = self.far.ask(b"first")
        self.pump.flush()
        self.assertEqual(self.successResultOf(first), b"first")
        for _ in range(3):
            self.near.sendMessage(b"x" * LARGE)
        unanswered = self.near.ask(b"second")
        said = self.near.sayNoMore()
        self.assertEqual(said, {"messages": 3, "questions": 2, "isWaiting": True})
        self.assertFalse(self.near.maySay)
        answered = self.far.ask(b"third")
        self.failureResultOf(self.near.sendMessage(b"late"), ChannelClosed)
        self.failureResultOf(self.near.ask(b"late"), ChannelClosed)
        self.pump.flush()
        self.assertEqual(self.successResultOf(answered), b"third")
        self.failureResultOf(unanswered, AnswerFailed)
        self.assertEqual(len(self.far.received), 3)

    def test_heard(self) -> None:
        """
        What was said is heard when the receiver was given it, and confirmed.
        """
        self.far.listen()
        sent = [self.near.sendMessage(b"x" * LARGE) for _ in range(3)]
        self.assertEqual(
            self.near.sayNoMore(), {"messages": 3, "questions": 0, "isWaiting": False}
        )
        heard = self.far.whenHeard(3, 0)
        while len(self.far.received) < 3:
            self.assertNoResult(heard)
            self.assertTrue(self.pump.step())
        self.successResultOf(heard)
        self.pump.flush()
        self.assertEqual(self.outcomes(*sent), [None] * 3)
        self.successResultOf(self.far.whenHeard(3, 0))

    def test_heardQuestions(self) -> None:
        """
        Questions are heard whoever receives messages.
        """
        self.near.sendMessage(b"unheard")
        answered = self.near.ask(b"x" * LARGE)
        said = self.near.sayNoMore()
        heard = self.far.whenHeard(said["messages"], said["questions"])
        self.assertNoResult(heard)
        self.pump.flush()
        self.successResultOf(heard)
        self.failureResultOf(answered, AnswerFailed)

    def test_heardUnwanted(self) -> None:
        """
        Messages are not waited for any more when they are not wanted any more.
        """
        wanted = True
        self.far.receiveGroups(lambda messages, along: None, isWanted=lambda: wanted)
        self.near.sendMessage(b"x" * LARGE)
        self.pump.step()
        heard = self.far.whenHeard(1, 0)
        self.assertNoResult(heard)
        wanted = False
        self.far.goOn()
        self.successResultOf(heard)

    def test_heardBetween(self) -> None:
        """
        Whoever has taken some may leave a while between two, but not a second in
        which he takes none.
        """
        clock = Clock()
        isWanted = False

        def takeOne(messages: Iterator[bytes], along: object) -> None:
            nonlocal isWanted
            self.far.received.append(next(messages))
            isWanted = False

        def want() -> None:
            nonlocal isWanted
            isWanted = True
            self.far.goOn()
            self.pump.flush()

        self.far.receiveGroups(takeOne, isWanted=lambda: isWanted)
        for each in range(10):
            self.near.sendMessage(b"%d" % each)
        self.pump.flush()
        never = self.far.whenHeard(10, 0, clock)
        self.successResultOf(never)
        want()
        slowly = self.far.whenHeard(4, 0, clock)
        for _ in range(3):
            clock.advance(GRACE * 0.9)
            self.assertNoResult(slowly)
            want()
        self.successResultOf(slowly)
        self.assertEqual(clock.getDelayedCalls(), [])
        noMore = self.far.whenHeard(10, 0, clock)
        clock.advance(GRACE * 0.9)
        want()
        clock.advance(GRACE)
        self.assertNoResult(noMore)
        clock.advance(GRACE)
        self.successResultOf(noMore)
        self.assertEqual(clock.getDelayedCalls(), [])
        lost = [self.far.whenHeard(count, 0, clock) for count in (9, 10)]
        clock.advance(GRACE * 0.9)
        for unheard in lost:
            self.assertNoResult(unheard)
        self.pump.lose()
        for unheard in lost:
            self.failureResultOf(unheard, ChannelClosed)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_neverHeard(self) -> None:
        """
        What cannot be heard any more is told.
        """
        self.far.listen()
        heard = self.far.whenHeard(1, 0)
        self.pump.lose()
        self.failureResultOf(heard, ChannelClosed)

    def test_progress(self) -> None:
        """
        While the other side takes something or says something there is progress, and
        otherwise none.
        """
        self.far.listen()
        seen = [self.near.progress]
        self.near.sendMessage(b"x" * LARGE)
        self.assertLess(self.near.progress, seen[0])
        seen = [self.near.progress]
        self.pump.flush()
        seen.append(self.near.progress)
        self.far.sendMessage(b"unheard")
        self.pump.flush()
        self.assertEqual(self.near.progress, seen[-1])
        self.near.listen()
        seen.append(self.near.progress)
        refused = self.far.ask(b"question")
        self.pump.flush()
        self.failureResultOf(refused, AnswerFailed)
        seen.append(self.near.progress)
        self.assertEqual(seen, sorted(set(seen)))

    def test_unheardAtTheEnd(self) -> None:
        """
        What nobody has received when the channel is lost waits for somebody who
        does, or is given up, with what came along.
        """
        self.patch(Link, "keepsTheRest", True)
        self.near.sendMessage(b"unheard")
        self.near.sendMessage(b"along", Handle("something", self.aDescriptor()))
        self.pump.flush()
        self.pump.lose()
        self.far.listen()
        self.assertEqual(self.far.received[:2], [b"unheard", b"along"])
        self.connect()
        self.near.sendMessage(b"along", Handle("something", self.aDescriptor()))
        self.pump.flush()
        self.pump.lose()
        self.assertEqual(self.far.forgetMessages(), 1)

    def test_leftOverAtTheEnd(self) -> None:
        """
        That is so with what a receiver has left.
        """
        self.patch(Link, "keepsTheRest", True)
        self.far.receiveGroups(lambda messages, along: next(messages))
        sent = [self.near.sendMessage(b"%d" % n) for n in range(6)]
        self.pump.flush()
        self.pump.lose()
        self.assertEqual(self.outcomes(*sent), [None] * 3 + [ChannelClosed] * 3)
        self.assertEqual(self.far.forgetMessages(), 3)
        self.far.listen()
        self.assertEqual(self.far.received, [])


class HandleTests(MessagingCase):
    """
    Tests for handles that travel along.
    """

    def test_order(self) -> None:
        """
        A handle comes with its message, and with no other, however large they
        are.
        """
        self.far.listen()
        handle = Handle("something", self.aDescriptor())
        inode = inodeOf(handle.descriptor)
        for message in (b"two", b"2" * 800_000):
            self.far.received.clear()
            self.near.sendMessage(b"zero")
            for _ in range(5):
                self.near.sendMessage(b"one")
            sent = self.near.sendMessage(message, handle)
            self.near.sendMessage(b"three")
            self.pump.flush()
            self.assertEqual(
                self.far.received,
                [b"zero"] + [b"one"] * 5 + [message, ("something", inode), b"three"],
            )
            self.assertIsNone(self.successResultOf(sent))

    def test_early(self) -> None:
        """
        A handle waits with its message.
        """
        self.near.sendMessage(b"x", Handle("something", self.aDescriptor()))
        self.pump.flush()
        self.far.listen()
        self.assertEqual(len(self.far.received), 2)
        self.pump.flush()

    def test_many(self) -> None:
        """
        No more handles wait in the other process than it has descriptors for.
        """
        descriptor = self.aDescriptor()
        before = len(openDescriptors())
        count = 2 * WINDOW // HANDLE
        for _ in range(count):
            self.near.sendMessage(b"x", Handle("something", descriptor))
        self.pump.flush()
        waiting = len(openDescriptors()) - before
        self.assertGreater(waiting, 16)
        self.assertLess(waiting, 0.6 * count)
        self.far.listen()
        self.pump.flush()
        self.assertEqual(len(self.far.received), 2 * count)

    def test_neverReceived(self) -> None:
        """
        One that waits when the channel is lost is closed.
        """
        sent = self.near.sendMessage(b"x", Handle("something", self.aDescriptor()))
        self.pump.flush()
        self.pump.lose()
        self.failureResultOf(sent, ChannelClosed)

    def test_noRoom(self) -> None:
        """
        If the receiving process has no room for the descriptor, the message is not
        delivered, and its sender is told so; those around it are delivered.
        """
        self.far.listen()
        self.pump.second.truncations.append(0)
        first = self.near.sendMessage(b"first")
        sent = self.near.sendMessage(b"x", Handle("something", self.aDescriptor()))
        last = self.near.sendMessage(b"last")
        self.pump.flush()
        self.assertEqual(self.far.received, [b"first", b"last"])
        self.failureResultOf(sent, HandleRefused)
        self.assertEqual(self.outcomes(first, last), [None, None])

    def test_undecodable(self) -> None:
        """
        The handle of a message that cannot be decoded is closed, and stays with who
        sent it.
        """
        self.far.listen()
        sent = self.near.sendMessage(b"?", Handle("something", self.aDescriptor()))
        self.pump.flush()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.failureResultOf(sent, MessageRefused)


class MalformedTests(MessagingCase):
    """
    Tests for boxes that break the rules.
    """

    def assertCutOff(self, **values: bytes) -> None:
        """
        Assert that a box with these values ends the channel, and is logged.
        """
        self.connect()
        self.far.listen()
        box = {amp.COMMAND: Messages.commandName}
        box.update({name.encode(): value for name, value in values.items()})
        self.pump.first.write(serialize(box))
        with capturedLogs() as events:
            self.pump.flush()
        self.assertIsInstance(events[0]["error"], MalformedBox)
        self.assertTrue(self.far.lost)

    def test_lengths(self) -> None:
        """
        Lengths that cannot be are noticed, as those that Node must survive.
        """
        for length in (0, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 63, 2**64 - 1):
            self.assertCutOff(parts=struct.pack("!Q", length), content=b"x")
        self.assertCutOff(parts=b"123", content=b"x")

    def test_values(self) -> None:
        """
        So are values that are missing or no numbers, and a handle that did not
        come.
        """
        empty = struct.pack("!Q", 0)
        self.assertCutOff(parts=empty)
        self.assertCutOff(content=b"")
        self.assertCutOff(parts=empty, content=b"", delivered=b"x")
        self.assertCutOff(parts=empty, content=b"", handle=b"\xff")
        self.assertCutOff(parts=empty, content=b"", descriptors=b"1")

    def test_lane(self) -> None:
        """
        So is a lane that does not exist.
        """
        self.near.tell(Delivered, lane=b"fast", boxes=1)
        with capturedLogs() as events:
            self.pump.flush()
        self.assertIsInstance(events[0]["error"], MalformedBox)
        self.assertTrue(self.far.lost)

    def test_confirmed(self) -> None:
        """
        So is a number of boxes that is less than none.
        """
        empty = struct.pack("!Q", 0)
        self.assertCutOff(parts=empty, content=b"", delivered=b"-1")

    def test_noParts(self) -> None:
        """
        So is a box without any message, which would weigh nothing while it waits.
        """
        self.assertCutOff(parts=b"", content=b"")

    def test_handles(self) -> None:
        """
        So is a handle that is not for one message, and its end; it is closed.
        """
        for numbers in ((1, 1), (1 << 63 | 2,), (3,)):
            for receives in (True, False):
                self.connect()
                self.far.listen()
                if not receives:
                    self.far._messagesIn._isWanted = lambda: False
                self.pump.first.writeWithDescriptors(
                    serialize(
                        {
                            amp.COMMAND: Messages.commandName,
                            b"parts": struct.pack(f"!{len(numbers)}Q", *numbers),
                            b"content": b"xx",
                            b"handle": b"something",
                            b"descriptors": b"1",
                        }
                    ),
                    [self.aDescriptor()],
                )
                self.pump.flush()
                self.far.listen()
                self.pump.flush()
                self.assertEqual((self.far.received, self.far.lost), ([], True))

    def test_handlesInTheWindow(self) -> None:
        """
        So are more handles than a process has to keep; who keeps to the rules waits
        with them.
        """
        descriptor = self.aDescriptor()
        for _ in range(300):
            sent = self.near.sendMessage(b"", Handle("x", descriptor))
            sent.addErrback(lambda _: None)
        self.pump.flush()
        waiting = len(self.far._messagesIn._waiting)
        self.assertTrue(100 < waiting < 200, waiting)
        box = {
            amp.COMMAND: Messages.commandName,
            b"parts": struct.pack("!Q", 0),
            b"content": b"",
            b"handle": b"something",
            b"descriptors": b"1",
        }
        for _ in range(300):
            self.pump.first.writeWithDescriptors(serialize(box), [descriptor])
        self.pump.flush()
        self.assertTrue(self.far.lost)

    def test_tinyParts(self) -> None:
        """
        So is a message without end, however little comes at once.
        """
        self.patch(lanes, "MESSAGE_LIMIT", 100 * SMALL)
        self.far.listen()
        for _ in range(200):
            self.pump.first.write(
                serialize(
                    {
                        amp.COMMAND: Messages.commandName,
                        b"parts": struct.pack("!Q", 1 << 63),
                        b"content": b"",
                    }
                )
            )
        self.pump.flush()
        self.assertTrue(self.far.lost)

    def test_answersUnread(self) -> None:
        """
        So is asking without end, and taking no answer.
        """
        self.patch(channel, "REPLY_LIMIT", 256 * 100)
        self.far.answerQuestions(lambda question: b"x" * 60_000)
        self.near._questionsIn._isWanted = lambda: False
        for _ in range(300):
            self.near.ask(b"what?").addErrback(lambda _: None)
            self.pump.flush()
        self.assertTrue(self.far.lost)
        self.assertLessEqual(self.far._questionsOut.waiting, 110)

    def test_waited(self) -> None:
        """
        It is noticed later if the box had to wait.
        """
        self.pump.first.write(
            serialize(
                {
                    amp.COMMAND: Messages.commandName,
                    b"parts": struct.pack("!Q", 2),
                    b"content": b"x",
                }
            )
        )
        self.pump.flush()
        with capturedLogs() as events:
            self.far.listen()
        self.assertIsInstance(events[0]["error"], MalformedBox)
        self.pump.flush()
        self.assertTrue(self.far.lost)

    @given(st.binary(max_size=200))
    @settings(max_examples=200)
    def test_garbage(self, garbage: bytes) -> None:
        """
        Bytes that mean nothing never raise.
        """
        self.connect()
        self.far.listen()
        self.pump.first.write(garbage + b"\xff\xff")
        self.pump.flush()
        self.assertEqual(self.far.received, [])


class StockPeer(amp.AMP):
    """
    A peer that knows of this package only what commands it has, and says so in
    stock AMP.
    """

    def __init__(self) -> None:
        super().__init__()
        self.contents: list[tuple[bytes, list[int]]] = []
        self.delivered = 0
        self.lost = False

    @Messages.responder
    def messages(self, parts: Any, content: bytes, delivered: Any, **_: Any) -> Any:
        """
        Take a box, and confirm it.
        """
        self.contents.append((content, list(parts)))
        self.delivered += delivered or 0
        self.callRemote(Delivered, lane=Messages.commandName, boxes=1)
        return {}

    @Questions.responder
    def questions(self, parts: Any, content: bytes, **_: Any) -> Any:
        """
        Answer each question with itself.
        """
        (number,) = parts
        self.callRemote(
            Questions, parts=[number | 1 << 60], content=content, delivered=1
        )
        return {}

    @Delivered.responder
    def confirmed(self, lane: bytes, boxes: int, **_: Any) -> Any:
        """
        Count.
        """
        self.delivered += boxes
        return {}

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """
        Keep that it is.
        """
        self.lost = True
        super().connectionLost(reason)


class RealTransportTests(RealReactorTestCase):
    """
    Tests on real sockets.
    """

    def open(self, channel: MessagingChannel, end: socket.socket) -> None:
        """
        Connect an end.
        """
        transport = DescriptorTransport(self.reactor, end, channel)
        transport.open()
        self.addCleanup(self.close, transport)

    def close(self, transport: DescriptorTransport) -> None:
        """
        Close an end.
        """
        transport.loseConnection()
        self.turnUntil(lambda: not transport.connected)

    def test_stockPeer(self) -> None:
        """
        A stock AMP peer understands every box, and is understood.
        """
        ours, theirs = self.socketPair()
        near, stock = Link(), StockPeer()
        near.listen()
        self.addCleanup(self.turnUntil, lambda: stock.lost)
        self.open(near, ours)
        theirs.setblocking(False)
        self.reactor.adoptStreamConnection(
            theirs.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: stock)
        )
        sent = [near.sendMessage(b"%d" % n) for n in range(10)]
        asked = near.ask(b"really?")
        stock.callRemote(Messages, parts=[3], content=b"yes")
        self.turnUntil(lambda: not near.undelivered and stock.delivered == 2)
        self.assertEqual(
            b"".join(content for content, _ in stock.contents), b"0123456789"
        )
        self.assertEqual(sum(len(parts) for _, parts in stock.contents), 10)
        self.assertEqual(near.received, [b"yes"])
        self.assertEqual(self.successResultOf(asked), b"really?")
        for each in sent:
            self.assertIsNone(self.successResultOf(each))

    def test_hundredMegabytes(self) -> None:
        """
        A message of 100 MB arrives, and one of 800 KB with a socket.
        """
        ours, theirs = self.socketPair()
        near, far = Link(), Link()
        self.open(near, ours)
        self.open(far, theirs)
        far.listen()
        first, second = os.urandom(1000) * 100_000, os.urandom(1000) * 800
        near.sendMessage(first)
        near.sendMessage(second, Handle("pipe", self.aDescriptor()))
        self.turnUntil(lambda: not near.undelivered)
        self.assertEqual(len(far.received), 3)
        self.assertTrue(far.received[:2] == [first, second])

    def test_commandsDoNotWait(self) -> None:
        """
        Commands do not wait behind a message of 100 MB either way, nor does its
        sender take more memory for it than the kernel and a window do.
        """
        near, far = Link(), Link()
        for link, end in zip((near, far), self.socketPair(), strict=True):
            self.open(link, end)
            link.listen()
        near.sendMessage(bytes(100_000_000))
        self.assertLess(near.transport.unsent, 1.5 * WINDOW)
        near.tell(Note)
        far.tell(Note)
        self.turnUntil(lambda: near.received and far.received)
        self.assertEqual((near.received, far.received), (["note"], ["note"]))
        self.assertLess(far.bytesRead, 1.5 * WINDOW)
        self.turnUntil(lambda: not near.undelivered)
        self.assertEqual(len(far.received), 2)

    def test_json(self) -> None:
        """
        With a real codec, structures arrive as they were.
        """
        ours, theirs = self.socketPair()
        near, far = MessagingChannel(JSONCodec()), MessagingChannel(JSONCodec())
        self.open(near, ours)
        self.open(far, theirs)
        received: list[Any] = []
        far.receiveMessages(lambda message, handle: received.append(message))
        messages = [{"n": n, "text": "ü" * n} for n in range(100)]
        for message in messages:
            near.sendMessage(message)
        self.turnUntil(lambda: not near.undelivered)
        self.assertEqual(received, messages)
