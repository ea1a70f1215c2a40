"""
Tests of L{twisted_cluster._wire.query}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.protocols import amp

from tests.unit.realreactor import DescriptorsCountedTestCase
from tests.unit.testing.descriptortransports import Recorder
from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster._wire.boxes import Box, serialize
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.descriptors import closeAll, inodeOf
from twisted_cluster._wire.query import QueryClient
from twisted_cluster.errors import ChannelClosed, ChannelError, MalformedBox
from twisted_cluster.testing.channels import MemoryBlockingChannel


class Borrow(amp.Command):
    """
    Something to ask for.  The numbers come after the descriptors, so that they
    can be wrong when those are claimed already.
    """

    arguments = [(b"name", amp.Unicode())]
    response = [
        (b"descriptors", Descriptors(optional=True)),
        (b"numbers", Numbers()),
    ]


class Put(amp.Command):
    """
    Nothing that can be asked.
    """

    arguments = [(b"descriptors", Descriptors())]


class Library(Channel):
    """
    Answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lend: Sequence[int] = ()
        self.asked: list[str] = []

    @responds(Borrow)
    def borrow(self, name: str) -> dict[str, Any]:
        """
        Lend what there is.
        """
        self.asked.append(name)
        if name == "forbidden":
            raise ZeroDivisionError
        answer: dict[str, Any] = {"numbers": [len(self.asked)]}
        return {**answer, "descriptors": self.lend} if self.lend else answer


class QueryTests(DescriptorsCountedTestCase):
    """
    Asking one that knows AMP.
    """

    def setUp(self) -> None:
        """
        Connect them in memory.
        """
        super().setUp()
        self.library = Library()
        self.channel = MemoryBlockingChannel(self.library)
        self.addCleanup(self.channel.pump.lose)
        self.query = QueryClient(self.channel)

    def test_ask(self) -> None:
        """
        Each question is answered at once.
        """
        for count in (1, 2):
            answer = self.query.ask(Borrow, name="ü")
            self.assertEqual(answer, {"descriptors": None, "numbers": (count,)})
        self.assertEqual(self.library.asked, ["ü", "ü"])

    def test_pieces(self) -> None:
        """
        The answer may come in any number of pieces.
        """
        self.channel.pump.first.cut = 1
        self.library.lend = [self.aDescriptor()]
        for count in (1, 2):
            answer = self.query.ask(Borrow, name="x")
            self.assertEqual(answer["numbers"], (count,))
            closeAll(answer["descriptors"])

    def test_descriptors(self) -> None:
        """
        Descriptors that come with an answer are the asker's.
        """
        self.library.lend = [self.aDescriptor(), self.aDescriptor()]
        lent = self.query.ask(Borrow, name="x")["descriptors"]
        self.assertEqual([*map(inodeOf, lent)], [*map(inodeOf, self.library.lend)])
        closeAll(lent)

    def test_noRoom(self) -> None:
        """
        If this process has no room for them the list is empty.
        """
        self.library.lend = [self.aDescriptor()]
        self.channel.pump.first.truncations.append(0)
        self.assertEqual(self.query.ask(Borrow, name="x")["descriptors"], [])

    def test_error(self) -> None:
        """
        An error of the primary's is raised; the next question is answered.
        """
        with self.assertRaises(amp.RemoteAmpError) as caught:
            self.query.ask(Borrow, name="forbidden")
        self.assertEqual(caught.exception.errorCode, amp.UNKNOWN_ERROR_CODE)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.query.ask(Borrow, name="x")["numbers"], (2,))

    def test_wrongArguments(self) -> None:
        """
        A question that cannot be put together is not sent.
        """
        with self.assertRaises(AttributeError):
            self.query.ask(Borrow, name=3)
        self.assertEqual(self.query.ask(Borrow, name="x")["numbers"], (1,))

    def test_noDescriptorsInQuestions(self) -> None:
        """
        A question cannot have descriptors.
        """
        with self.assertRaises(MalformedBox):
            self.query.ask(Put, descriptors=[0])

    def test_gone(self) -> None:
        """
        Without a primary there is no answer.
        """
        self.channel.pump.lose()
        with self.assertRaises(ChannelClosed):
            self.query.ask(Borrow, name="x")


class Scripted(Recorder):
    """
    Answers with what the test wrote down, whatever it is asked.

    @ivar script: Bytes, and with how many descriptors; one for each question.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.script: list[list[tuple[bytes, int]]] = []
        self._descriptor = descriptor

    def dataReceived(self, data: bytes) -> None:
        """
        Write the next part.
        """
        super().dataReceived(data)
        for piece, count in self.script.pop(0) if self.script else []:
            self.transport.writeWithDescriptors(piece, [self._descriptor] * count)


def answer(tag: bytes = b"1", **more: bytes) -> bytes:
    """
    An answer that is right, but for what is given.
    """
    box: Box = {amp.ANSWER: tag, b"numbers": b""}
    box.update({key.encode(): value for key, value in more.items()})
    return serialize(box)


class MalformedTests(DescriptorsCountedTestCase):
    """
    A primary that breaks the rules.
    """

    def setUp(self) -> None:
        """
        Connect one in memory.
        """
        super().setUp()
        self.primary = Scripted(self.aDescriptor())
        self.channel = MemoryBlockingChannel(self.primary)
        self.addCleanup(self.channel.pump.lose)
        self.query = QueryClient(self.channel)

    def assertBroken(self, *pieces: tuple[bytes, int]) -> None:
        """
        This is no answer, and after it nothing is asked any more.  What came
        with it is closed.
        """
        self.primary.script = [list(pieces)]
        with self.assertRaises(MalformedBox):
            self.query.ask(Borrow, name="x")
        asked = self.primary.data
        with self.assertRaises(ChannelClosed):
            self.query.ask(Borrow, name="x")
        self.assertEqual(self.primary.data, asked)

    def test_noBox(self) -> None:
        """
        Bytes that are no box.
        """
        self.assertBroken((b"HTTP/1.0 400 What?\r\n", 1))

    def test_otherTag(self) -> None:
        """
        The answer to another question.
        """
        self.assertBroken((answer(b"2", descriptors=b"1"), 1))

    def test_otherError(self) -> None:
        """
        An error that is about another question.
        """
        self.assertBroken((serialize({amp.ERROR: b"2"}), 0))

    def test_two(self) -> None:
        """
        Two answers, or one and the beginning of another.
        """
        self.assertBroken((answer() * 2, 0))

    def test_oneAndAHalf(self) -> None:
        """
        An answer and the beginning of another.
        """
        self.assertBroken((answer() + b"\0", 0))

    def test_malformedValues(self) -> None:
        """
        Values that cannot be read, after descriptors that were claimed.
        """
        self.assertBroken((answer(numbers=b"x", descriptors=b"2"), 2))

    def test_malformedValuesFirst(self) -> None:
        """
        Values that are missing, and descriptors nobody asked for.
        """
        self.assertBroken((serialize({amp.ANSWER: b"1"}), 2))

    def test_twoGroups(self) -> None:
        """
        A second group of descriptors for one answer.
        """
        whole = answer(descriptors=b"1")
        self.assertBroken((whole[:5], 1), (whole[5:], 1))

    def test_unclaimed(self) -> None:
        """
        Descriptors that the answer does not name are closed; it is right
        otherwise.
        """
        self.primary.script = [[(answer(), 1)]]
        self.assertIsNone(self.query.ask(Borrow, name="x")["descriptors"])

    def test_withError(self) -> None:
        """
        So are those that come with an error.
        """
        error = serialize(
            {amp.ERROR: b"1", amp.ERROR_DESCRIPTION: b"\xff", b"descriptors": b"1"}
        )
        self.primary.script = [[(error, 1)]]
        with self.assertRaises(amp.RemoteAmpError):
            self.query.ask(Borrow, name="x")

    def test_silence(self) -> None:
        """
        A primary that stops in the middle of its answer has not answered.
        """
        self.primary.script = [[(answer(descriptors=b"1")[:9], 1)]]
        with self.assertRaises(ChannelClosed):
            self.query.ask(Borrow, name="x")

    @settings(deadline=None)
    @given(
        pieces=st.lists(
            st.tuples(
                st.binary(min_size=1, max_size=9)
                | st.sampled_from([answer(), answer(descriptors=b"1"), answer()[:7]]),
                st.integers(0, 2),
            ),
            max_size=4,
        ),
        cut=st.integers(1, 80),
    )
    def test_anything(self, pieces: list[tuple[bytes, int]], cut: int) -> None:
        """
        Whatever comes is an answer, or an error of this package's.
        """
        primary = Scripted(self.aDescriptor())
        channel = MemoryBlockingChannel(primary)
        channel.pump.first.cut = cut
        primary.script = [pieces]
        query = QueryClient(channel)
        try:
            closeAll(query.ask(Borrow, name="x")["descriptors"] or ())
        except ChannelError:
            self.assertIsNone(query._arrived)
        finally:
            channel.pump.lose()
