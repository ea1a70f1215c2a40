"""
Tests of L{twisted_cluster._wire.channel}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.logger import (
    ILogObserver,
    LogLevel,
    capturedLogs,
    globalLogPublisher,
)
from twisted.protocols import amp
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.unit._wire.channelends import (
    ChannelCase,
    Demanding,
    Greet,
    Keep,
    Lend,
    Link,
    Note,
    Rude,
    Unheard,
    codeOf,
)
from tests.unit.realreactor import DescriptorsCountedTestCase, RealReactorTestCase
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._wire import channel
from twisted_cluster._wire.boxes import Box, serialize
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.descriptors import closeAll, inodeOf
from twisted_cluster.errors import ChannelClosed, MalformedBox
from twisted_cluster.interfaces import IDescriptorProtocol
from twisted_cluster.testing.channels import connectedChannels


class CommandTests(ChannelCase):
    """
    Asking, telling and answering.
    """

    def test_interface(self) -> None:
        """
        A channel is a protocol for descriptors.
        """
        verifyObject(IDescriptorProtocol, self.first)

    def test_ask(self) -> None:
        """
        Each question is given its answer, in both directions at once.
        """
        asked = [
            link.callRemote(Greet, name=name)
            for link in (self.first, self.second)
            for name in ("ü", "b")
        ]
        for each in asked:
            self.assertNoResult(each)
        self.pump.flush()
        answers = [self.successResultOf(each)["greeting"] for each in asked]
        self.assertEqual(answers, ["hello ü", "hello b"] * 2)

    def test_cutAnywhere(self) -> None:
        """
        It makes no difference how the bytes are cut.
        """
        self.pump.first.cut = self.pump.second.cut = 1
        asked = self.first.callRemote(Greet, name="you")
        self.first.tell(Note, text="first")
        self.first.tell(Note, text="second")
        self.pump.flush()
        self.successResultOf(asked)
        self.assertEqual(self.second.notes, ["first", "second"])
        self.assertWorks()

    def test_answersInAnyOrder(self) -> None:
        """
        A responder may answer later, and later questions first.
        """
        waiting: dict[str, Deferred[dict[str, Any]]] = {
            "early": Deferred(),
            "late": Deferred(),
        }
        self.second.answer = waiting.__getitem__
        asked = {name: self.first.callRemote(Greet, name=name) for name in waiting}
        self.pump.flush()
        for name in ("late", "early"):
            waiting[name].callback({"greeting": name})
            self.pump.flush()
            answer = self.successResultOf(asked[name])
            self.assertEqual(answer, {"greeting": name})

    def test_tell(self) -> None:
        """
        What is told is not answered: not by a result, nor by an error.
        """

        def fail(text: str) -> None:
            raise Rude(text)

        self.first.tell(Note, text="one")
        self.pump.flush()
        self.second.answer = fail
        self.first.tell(Note, text="two")
        self.first.tell(Unheard)
        self.pump.flush()
        self.assertEqual(self.second.notes, ["one", "two"])
        self.assertEqual(self.logged(), [Rude])
        self.assertWorks()

    def test_responderOfBase(self) -> None:
        """
        A link has the responders of what it inherits from, and may replace
        them.
        """

        class Grim(Link):
            @responds(Greet)
            def greet(self, name: str) -> dict[str, Any]:
                return {"greeting": "what"}

        grim = Grim()
        pump = connectedChannels(asking := Link(), grim)
        asked = asking.callRemote(Greet, name="you")
        asking.tell(Note, text="x")
        pump.flush()
        self.assertEqual(self.successResultOf(asked), {"greeting": "what"})
        self.assertEqual(grim.notes, ["x"])


class ErrorTests(ChannelCase):
    """
    Responders that fail.
    """

    def asked(self, answer: Any) -> Deferred[dict[str, Any]]:
        """
        Ask one who does that.
        """
        self.second.answer = answer
        asked = self.first.callRemote(Greet, name="you")
        self.pump.flush()
        return asked

    def raised(self, error: Exception) -> Failure:
        """
        What the asker gets if the responder raises this, at once or later: the
        same.
        """

        def fail(name: str) -> None:
            raise error

        soon: Failure = self.failureResultOf(self.asked(fail))
        waiting: Deferred[None] = Deferred()
        late = self.asked(lambda name: waiting)
        self.assertNoResult(late)
        waiting.errback(Failure(error))
        self.pump.flush()
        later: Failure = self.failureResultOf(late)
        self.assertEqual(soon.type, later.type)
        return soon

    def test_declared(self) -> None:
        """
        A declared error arrives as what it is.
        """
        failure = self.raised(Rude("no"))
        failure.trap(Rude)
        self.assertEqual(failure.getErrorMessage(), "no")
        self.assertWorks()

    def test_derived(self) -> None:
        """
        One that is derived from it arrives as the declared one.
        """

        class VeryRude(Rude):
            pass

        self.raised(VeryRude("no")).trap(Rude)

    def test_undeclared(self) -> None:
        """
        An exception that nobody declared is logged, where it happened, and
        answered without details; the channel goes on.
        """
        failure = self.raised(ZeroDivisionError("secret"))
        failure.trap(amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNKNOWN_ERROR_CODE)
        self.assertNotIn("secret", failure.getErrorMessage())
        self.assertEqual(self.logged(), [ZeroDivisionError] * 2)
        self.assertWorks()

    def test_strangeWords(self) -> None:
        """
        An error arrives whatever its words are.
        """

        class Mute(Rude):
            def __str__(self) -> str:
                raise ValueError("I have no words")

        for error in (Rude("\ud800"), Rude("ü" * 100_000), Mute()):
            self.raised(error).trap(Rude)
        self.assertWorks()

    def test_errorNeedsMore(self) -> None:
        """
        A declared error that cannot be made from its words is a general one.
        """
        failure = self.raised(Demanding(1, 2))
        failure.trap(amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), b"DEMANDING")
        self.assertEqual(self.logged(), [TypeError] * 2)

    def test_wrongAnswer(self) -> None:
        """
        An answer that cannot be sent is the responder's mistake, as any other.
        """
        for answer in (None, {}, {"greeting": 3}, {"greeting": "x" * 65536}):
            asked = self.asked(lambda name, answer=answer: answer)
            self.failureResultOf(asked, amp.RemoteAmpError)
            self.assertEqual(len(self.logged()), 1)
            self.assertWorks()

    def test_wrongAnswerLater(self) -> None:
        """
        So it is with one that comes later.
        """
        waiting: Deferred[None] = Deferred()
        asked = self.asked(lambda name: waiting)
        waiting.callback(None)
        self.pump.flush()
        self.failureResultOf(asked, amp.RemoteAmpError)
        self.assertEqual(len(self.logged()), 1)

    def test_unknownCommand(self) -> None:
        """
        A command that nobody responds to is answered as in stock AMP, and its
        descriptors are closed.
        """
        asked = self.first.callRemote(Unheard, descriptors=[self.aDescriptor()])
        self.pump.flush()
        failure = self.failureResultOf(asked, amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNHANDLED_ERROR_CODE)
        self.assertWorks()


class DescriptorTests(ChannelCase):
    """
    Descriptors, and whose they are.
    """

    def test_answer(self) -> None:
        """
        They come with answers too; the asker owns them then.
        """
        descriptor = self.aDescriptor()
        self.second.lend = {"descriptors": [descriptor] * 2, "number": [5]}
        asked = self.first.callRemote(Lend, count=2)
        self.pump.flush()
        answer = self.successResultOf(asked)
        self.assertEqual(
            [inodeOf(lent) for lent in answer["descriptors"]],
            [inodeOf(descriptor)] * 2,
        )
        self.assertEqual(answer["number"], (5,))
        closeAll(answer["descriptors"])

    def test_truncated(self) -> None:
        """
        When the kernel drops some of a group, the responder is given what is
        left, and the next group goes to the next command.
        """
        lost, seen = self.aDescriptor(), self.aDescriptor()
        self.pump.second.truncations.extend([1, 0])
        for group in ([lost, lost], [lost], [seen, lost]):
            self.first.callRemote(Keep, descriptors=group, number=[])
        self.pump.flush()
        self.assertEqual(
            self.second.kept, [[inodeOf(lost)], [], [inodeOf(seen), inodeOf(lost)]]
        )

    def test_notSent(self) -> None:
        """
        Descriptors of a box that could not be put together do not go with the
        next one, and nobody waits for the answer.
        """
        descriptor = self.aDescriptor()
        for wrong in (
            {"descriptors": [descriptor], "number": [-1]},
            {"descriptors": [descriptor], "number": [0] * 8192},
            {"descriptors": [descriptor] * 254, "number": []},
            {"descriptors": [descriptor]},
        ):
            self.failureResultOf(self.first.callRemote(Keep, **wrong))
            self.assertFalse(self.first._questions)
            self.first.tell(Note, text="next")
            self.pump.flush()
            self.assertEqual(self.second.notes.pop(), "next")
            self.assertWorks()

    def test_notTold(self) -> None:
        """
        What is told raises at once if it cannot be put together.
        """
        with self.assertRaises(Exception):  # noqa: B017
            self.first.tell(
                Keep, descriptors=[self.aDescriptor()], number=["not a number"]
            )
        self.assertWorks()

    def test_notAnswered(self) -> None:
        """
        Nor do the descriptors of a wrong answer go with the next.
        """
        self.second.lend = {"descriptors": [self.aDescriptor()], "number": [-1]}
        asked = self.first.callRemote(Lend, count=1)
        self.pump.flush()
        self.failureResultOf(asked, amp.RemoteAmpError)
        self.assertEqual(len(self.logged()), 1)
        self.assertWorks()

    def send(self, box: Box, count: int = 0) -> None:
        """
        Write a box that no link would.
        """
        self.first.transport.writeWithDescriptors(
            serialize(box), [self.aDescriptor() for _ in range(count)]
        )

    def test_malformedArguments(self) -> None:
        """
        If a box is malformed its descriptors are closed, those also that were
        claimed when that came out.
        """
        self.send({amp.COMMAND: b"Keep", b"descriptors": b"2", b"number": b"1234"}, 2)
        self.assertParted()

    def test_malformedAnswer(self) -> None:
        """
        The answer to a question as well; and the question fails.
        """
        self.first.lend = Deferred()
        asked = self.second.callRemote(Lend, count=2)
        self.send({amp.ANSWER: b"1", b"descriptors": b"2", b"number": b"1"}, 2)
        self.assertParted()
        self.failureResultOf(asked, MalformedBox)

    def test_unexpected(self) -> None:
        """
        Descriptors with a box that does not name them end the channel: they are
        not given to a later one, and not collected.
        """
        self.send({amp.COMMAND: b"Note", b"text": b"x"}, 1)
        self.assertParted()

    def test_unexpectedInside(self) -> None:
        """
        So they do if they come while another box is incomplete.
        """
        descriptor = self.aDescriptor()
        self.first.transport.writeWithDescriptors(b"\0", [descriptor])
        self.pump.flush()
        self.assertTrue(self.second.connected)
        self.first.transport.writeWithDescriptors(b"\1", [descriptor])
        self.assertParted()

    def test_missing(self) -> None:
        """
        A box that names descriptors which did not come ends the channel.
        """
        self.send({amp.COMMAND: b"Keep", b"descriptors": b"1", b"number": b""})
        self.assertParted()
        self.assertEqual(self.second.kept, [])

    def test_incomplete(self) -> None:
        """
        Descriptors of a box that never became complete are closed.
        """
        self.first.transport.writeWithDescriptors(b"\0", [self.aDescriptor()])
        self.pump.flush()
        self.pump.lose()


class LossTests(ChannelCase):
    """
    What happens when the channel is lost.
    """

    def test_questions(self) -> None:
        """
        Every question fails, in its order, before the link is told.
        """
        order: list[str] = []

        def record(failure: Failure, name: str) -> None:
            failure.trap(ChannelClosed)
            order.append(f"{name} {len(self.first.reasons)}")

        for name in ("a", "b", "c"):
            self.first.callRemote(Greet, name=name).addErrback(record, name)
        self.pump.lose()
        self.assertEqual(order, ["a 0", "b 0", "c 0"])
        self.assertEqual(len(self.first.reasons), 1)

    def test_afterwards(self) -> None:
        """
        Afterwards a question fails at once, and what is told is dropped.
        """
        self.pump.lose()
        self.failureResultOf(self.first.callRemote(Greet, name="you"), ChannelClosed)
        self.first.tell(Note, text="unheard")

    def test_beforeConnected(self) -> None:
        """
        So it is before a link is connected.
        """
        self.failureResultOf(Link().callRemote(Greet, name="you"), ChannelClosed)

    def test_lateAnswers(self) -> None:
        """
        Answers and errors that come too late are dropped.
        """
        for late in ({"greeting": "late"}, Failure(Rude("late"))):
            first, second = Link(), Link()
            pump = connectedChannels(first, second)
            waiting: Deferred[Any] = Deferred()
            second.answer = lambda name, waiting=waiting: waiting
            asked = first.callRemote(Greet, name="you")
            pump.flush()
            pump.lose()
            self.failureResultOf(asked, ChannelClosed)
            waiting.callback(late)
            pump.flush()

    def test_defaultLink(self) -> None:
        """
        A link need not care about the loss.
        """
        pump = connectedChannels(Channel(), Link())
        pump.lose()


class MalformedTests(ChannelCase):
    """
    Another side that breaks the rules.  The channel ends; nothing is raised.
    """

    def assertEnds(self, data: bytes) -> None:
        """
        These bytes end the channel, and it is said why.
        """
        self.first.transport.write(data)
        self.assertParted()

    def test_noBox(self) -> None:
        """
        Bytes that are no box.
        """
        self.assertEnds(b"GET / HTTP/1.0\r\n\r\n")

    def test_tooLarge(self) -> None:
        """
        A box without end; no more of it is kept than the limit.
        """
        pair = b"\0\1k\xff\xff" + bytes(65535)
        for _ in range(17):
            self.first.transport.write(pair)
        self.assertParted()
        kept = self.second._reader
        self.assertLessEqual(kept._size + len(kept._rest), 1 << 20)

    def test_noPurpose(self) -> None:
        """
        A box that is neither a command nor an answer.
        """
        self.assertEnds(serialize({b"key": b"value"}))

    def test_unaskedAnswer(self) -> None:
        """
        An answer, or an error, that nobody asked for.
        """
        self.assertEnds(serialize({amp.ANSWER: b"1"}))

    def test_unaskedError(self) -> None:
        """
        An error that nobody asked for.
        """
        self.assertEnds(serialize({amp.ERROR: b"1"}))

    def test_answeredTwice(self) -> None:
        """
        A second answer to the same question.
        """
        asked = self.second.callRemote(Greet, name="you")
        answer = serialize({amp.ANSWER: b"1", b"greeting": b"hello"})
        self.assertEnds(answer * 2)
        self.assertEqual(self.successResultOf(asked), {"greeting": "hello"})

    def test_nothingAfter(self) -> None:
        """
        Nothing that comes behind it has a meaning, in the same bytes or later;
        and what had come along is closed.
        """
        self.first.transport.write(serialize({amp.COMMAND: b"Note", b"text": b"good"}))
        self.first.transport.writeWithDescriptors(
            serialize({amp.ERROR: b"1"}), [self.aDescriptor()]
        )
        with capturedLogs() as events:
            while not self.pump.second.disconnecting:
                self.pump.second.deliver(self.pump.first)
        note = serialize({amp.COMMAND: b"Note", b"text": b"bad"})
        self.second.descriptorsReceived([os.dup(self.aDescriptor())])
        self.second.dataReceived(note)
        self.assertEqual(self.second.notes, ["good"])
        self.assertEqual([event["peer"] for event in events], ["the other side"])
        self.assertParted()

    def test_twice(self) -> None:
        """
        It is said once what was wrong.
        """
        with capturedLogs() as events:
            self.second.breakOff(MalformedBox("one thing"))
            self.second.breakOff(MalformedBox("another"))
        self.assertEqual(len(events), 1)
        self.assertParted()

    def test_whileItWaits(self) -> None:
        """
        The channel ends though the other side does not read what waits for it.
        """
        self.second.tell(Note, text="x" * 60_000)
        self.second.breakOff(MalformedBox("something"))
        self.assertEqual(self.second.transport.unsent, 0)
        self.assertParted()
        self.assertEqual(self.first.notes, [])

    def test_brokenByAResponder(self) -> None:
        """
        A responder can find that the rules were broken; the boxes behind its own
        are not looked at.
        """

        def answer(text: str) -> None:
            self.second.breakOff(MalformedBox("something"))

        self.second.answer = answer
        for _ in range(2):
            self.first.tell(Note, text="x")
        self.assertParted()
        self.assertEqual(self.second.notes, ["x"])

    def test_answersUnread(self) -> None:
        """
        Who asks, and asks again, and never reads the answers, is heard until so
        many wait.
        """
        self.patch(channel, "REPLY_LIMIT", 10_000)
        question = serialize(
            {amp.COMMAND: b"Greet", amp.ASK: b"1", b"name": b"x" * 1000}
        )
        for _ in range(100):
            self.second.dataReceived(question)
        self.assertTrue(self.pump.second.disconnecting)
        self.assertEqual(self.second.transport.unsent, 0)
        self.assertParted()

    def test_answersRead(self) -> None:
        """
        Who reads them, if late, may ask as much as it likes; and what this side
        says by itself does not count.
        """
        self.patch(channel, "REPLY_LIMIT", 10_000)
        question = serialize(
            {amp.COMMAND: b"Greet", amp.ASK: b"1", b"name": b"x" * 1000}
        )
        self.first.callRemote(Greet, name="x").addErrback(lambda _: None)
        answers: list[Box] = []
        self.patch(self.first, "_boxReceived", answers.append)
        for _ in range(10):
            for _ in range(8):
                self.second.dataReceived(question)
            self.second.tell(Note, text="x" * 20_000)
            self.second.dataReceived(question)
            while self.pump.first.deliver(self.pump.second):
                pass
        self.assertFalse(self.pump.second.disconnecting)
        self.assertEqual(len(answers), 100)

    def test_missingArgument(self) -> None:
        """
        A command without its arguments.
        """
        self.assertEnds(serialize({amp.COMMAND: b"Greet", amp.ASK: b"1"}))

    def test_bareError(self) -> None:
        """
        An error without code and words is allowed: it is an unknown one.
        """
        asked = self.second.callRemote(Greet, name="you")
        self.first.transport.write(serialize({amp.ERROR: b"1"}))
        self.pump.flush()
        failure = self.failureResultOf(asked, amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNKNOWN_ERROR_CODE)

    def test_bytesOfAnyKind(self) -> None:
        """
        Codes and words of an error may be any bytes.
        """
        asked = self.second.callRemote(Greet, name="you")
        self.first.transport.write(
            serialize(
                {
                    amp.ERROR: b"1",
                    amp.ERROR_CODE: b"\xff",
                    amp.ERROR_DESCRIPTION: b"\xff",
                }
            )
        )
        self.pump.flush()
        self.failureResultOf(asked, amp.RemoteAmpError)


tags = st.sampled_from([b"1", b"2", b"3", b"\xff", b""])
values = st.sampled_from([b"", b"1", b"two", b"\0" * 8, b"\xff" * 9])
keys = st.sampled_from([b"name", b"text", b"number", b"descriptors", b"count", b"k"])
kinds = st.dictionaries(
    st.sampled_from([amp.COMMAND, amp.ASK, amp.ANSWER, amp.ERROR, amp.ERROR_CODE]),
    st.sampled_from([b"Greet", b"Note", b"Keep", b"Lend", b"RUDE"]) | tags,
    max_size=3,
)
wrongBoxes = st.builds(
    lambda kind, rest: serialize({**kind, **rest} or {b"k": b""}),
    kinds,
    st.dictionaries(keys, values, max_size=3),
)
goodBoxes = st.sampled_from(
    [
        serialize(box)
        for box in (
            {amp.COMMAND: b"Greet", amp.ASK: b"7", b"name": b"you"},
            {amp.COMMAND: b"Note", b"text": b"x"},
            {amp.COMMAND: b"Keep", b"descriptors": b"1", b"number": b""},
            {amp.COMMAND: b"Unheard", b"descriptors": b"1"},
            {amp.ANSWER: b"1", b"greeting": b"hello"},
            {amp.ERROR: b"2", amp.ERROR_CODE: b"RUDE"},
        )
    ]
)
messages = st.tuples(goodBoxes | wrongBoxes | st.binary(max_size=12), st.integers(0, 2))


class AnythingTests(DescriptorsCountedTestCase):
    """
    Whatever comes, in whatever order and cut.
    """

    @settings(deadline=None, max_examples=300)
    @given(
        sent=st.lists(messages, max_size=8),
        cut=st.integers(1, 100),
        truncations=st.lists(st.integers(0, 2), max_size=4),
    )
    def test_anything(
        self, sent: list[tuple[bytes, int]], cut: int, truncations: list[int]
    ) -> None:
        """
        Nothing is raised, no descriptor stays open and no question without an
        answer, and no more is kept than one incomplete box and its group.
        """
        link, other = Link(), Collecting()
        pump = connectedChannels(link, other)
        pump.first.cut = cut
        pump.first.truncations.extend(truncations)
        failed: list[Failure] = []
        asked = [
            link.callRemote(Greet, name=name).addErrback(failed.append) for name in "ab"
        ]
        descriptors = os.pipe()
        try:
            for data, count in sent:
                other.transport.writeWithDescriptors(data, descriptors[:count])
                pump.flush()
                self.assertLessEqual(len(link._arrived), link.connected)
                self.assertEqual(link._claimable, [])
            pump.lose()
        finally:
            closeAll(descriptors)
        self.assertTrue(all(each.called for each in asked))
        self.assertEqual((len(link._questions), len(link._arrived)), (0, 0))
        self.assertEqual(len(link.reasons), 1)
        self.flushLoggedErrors()


class Collecting(Link):
    """
    Reads boxes, and does nothing with them.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        They have to be boxes.
        """
        self._reader.feed(data)


class StockGreeter(amp.AMP):
    """
    A peer that knows nothing of this package: it has the same commands.
    """

    lost: Failure | None = None

    @Greet.responder
    def greet(self, name: str) -> dict[str, Any]:
        """
        Say hello, or fail as one is asked to.
        """
        if name == "rude":
            raise Rude("as you wish")
        if name == "broken":
            raise ZeroDivisionError
        return {"greeting": f"stock hello {name}"}

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """
        Keep it.
        """
        self.lost = reason
        super().connectionLost(reason)


class StockKeep(amp.Command):
    """
    L{Keep} as one knows it who has AMP's own argument types only.
    """

    commandName = b"Keep"
    arguments = [(b"descriptors", amp.Integer()), (b"number", amp.String())]
    response = [(b"kept", amp.Integer())]


class StockPeerTests(RealReactorTestCase):
    """
    A stock AMP peer at the other end of a real channel, on Twisted's own UNIX
    transport, understands everything.
    """

    def setUp(self) -> None:
        """
        Connect a link and a stock peer.
        """
        super().setUp()
        ours, theirs = self.socketPair()
        self.link = Link()
        self.transport = DescriptorTransport(self.reactor, ours, self.link)
        self.transport.open()
        self.stock = StockGreeter()
        factory = Factory.forProtocol(lambda: self.stock)
        theirs.setblocking(False)
        self.reactor.adoptStreamConnection(theirs.fileno(), socket.AF_UNIX, factory)
        self.addCleanup(self._part)

    def _part(self) -> None:
        """
        Close both ends.
        """
        self.transport.loseConnection()
        self.turnUntil(lambda: self.stock.lost and self.link.reasons)

    def result(self, asked: Deferred[dict[str, Any]]) -> Any:
        """
        Wait for an answer or a failure.
        """
        results: list[Any] = []
        asked.addBoth(results.append)
        self.turnUntil(lambda: results)
        return results[0]

    def test_asks(self) -> None:
        """
        It answers our questions, with its declared errors too.
        """
        answer = self.result(self.link.callRemote(Greet, name="you"))
        self.assertEqual(answer, {"greeting": "stock hello you"})
        failure = self.result(self.link.callRemote(Greet, name="rude"))
        failure.trap(Rude)
        self.assertEqual(failure.getErrorMessage(), "as you wish")

    def test_unknown(self) -> None:
        """
        It says that it does not know a command.
        """
        failure = self.result(self.link.callRemote(Unheard))
        failure.trap(amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNHANDLED_ERROR_CODE)

    def test_fails(self) -> None:
        """
        When a responder of its own fails it says so before it hangs up.
        """
        failure = self.result(self.link.callRemote(Greet, name="broken"))
        failure.trap(amp.RemoteAmpError)
        self.assertEqual(codeOf(failure), amp.UNKNOWN_ERROR_CODE)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_isAnswered(self) -> None:
        """
        It understands our answers.
        """
        answer = self.result(self.stock.callRemote(Greet, name="you"))
        self.assertEqual(answer, {"greeting": "hello you"})

    def test_isTold(self) -> None:
        """
        What it only tells is heard.
        """
        self.stock.callRemote(Note, text="x")
        self.turnUntil(lambda: self.link.notes)
        self.assertEqual(self.link.notes, ["x"])

    def test_declaredError(self) -> None:
        """
        It understands our declared errors.
        """

        def fail(name: str) -> None:
            raise Rude("no")

        self.link.answer = fail
        failure = self.result(self.stock.callRemote(Greet, name="you"))
        failure.trap(Rude)
        self.assertEqual(failure.getErrorMessage(), "no")

    def test_undeclaredError(self) -> None:
        """
        It understands that a responder of ours failed, and the channel goes on.
        """

        def fail(name: str) -> None:
            raise ZeroDivisionError

        self.link.answer = fail
        failure = self.result(self.stock.callRemote(Greet, name="you"))
        failure.trap(amp.UnknownRemoteError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIsNone(self.stock.lost)

    def test_unknownToUs(self) -> None:
        """
        It understands that we do not know a command.
        """
        failure = self.result(self.stock.callRemote(Unheard))
        failure.trap(amp.UnhandledCommand)

    def test_descriptors(self) -> None:
        """
        A box with descriptors is a box: it understands how many there are.
        """
        asked: list[tuple[int, bytes]] = []

        def keep(descriptors: int, number: bytes) -> dict[str, Any]:
            asked.append((descriptors, number))
            return {"kept": descriptors}

        def locate(name: bytes) -> Any:
            return self.stock._wrapWithSerialization(keep, StockKeep)

        self.patch(self.stock, "locateResponder", locate)
        descriptor = self.aDescriptor()
        answer = self.result(
            self.link.callRemote(Keep, descriptors=[descriptor] * 2, number=[1])
        )
        self.assertEqual(answer, {"kept": 2})
        self.assertEqual(asked, [(2, b"\0\0\0\0\0\0\0\1")])
        # Where Twisted's transport put them.
        closeAll(
            [self.stock._getDescriptor(key) for key in list(self.stock._descriptors)]
        )


class MarkTests(SynchronousTestCase):
    """
    Tests of L{responds}.
    """

    def test_method(self) -> None:
        """
        A responder is still a method that can be called.
        """
        self.assertEqual(Link().greet("you"), {"greeting": "hello you"})

    def test_level(self) -> None:
        """
        Breaking the rules is an error in the log, and one entry.
        """
        events: list[Any] = []
        link = Link()
        pump = connectedChannels(link, Link())

        @implementer(ILogObserver)
        def observe(event: Any) -> None:
            events.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        link.dataReceived(b"\0\0")
        pump.flush()
        [event] = [each for each in events if each["log_level"] is LogLevel.error]
        self.assertIsInstance(event["error"], MalformedBox)
