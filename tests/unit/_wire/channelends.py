"""
Two ends of a channel, for tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.protocols import amp
from twisted.python.failure import Failure

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.descriptors import closeAll, inodeOf
from twisted_cluster.testing.channels import ChannelPump, connectedChannels


class Rude(Exception):
    """
    A declared error.
    """


class Demanding(Exception):
    """
    A declared error that cannot be made from its words alone.
    """

    def __init__(self, first: int, second: int) -> None:
        super().__init__(first, second)


class Greet(amp.Command):
    """
    Say hello.
    """

    arguments = [(b"name", amp.Unicode())]
    response = [(b"greeting", amp.Unicode())]
    errors = {Rude: b"RUDE", Demanding: b"DEMANDING"}


class Note(amp.Command):
    """
    Something to be told, and never answered.
    """

    arguments = [(b"text", amp.Unicode())]
    requiresAnswer = False


class Keep(amp.Command):
    """
    Keep descriptors.  The number comes after them, so that it can be wrong when
    they are claimed already.
    """

    arguments = [(b"descriptors", Descriptors()), (b"number", Numbers())]
    response = [(b"kept", amp.Integer())]


class Lend(amp.Command):
    """
    Answer with descriptors.
    """

    arguments = [(b"count", amp.Integer())]
    response = [(b"descriptors", Descriptors()), (b"number", Numbers())]


class Unheard(amp.Command):
    """
    Nobody responds to this.
    """

    arguments = [(b"descriptors", Descriptors(optional=True))]


class Link(Channel):
    """
    Responds as its attributes say.

    @ivar answer: What L{Greet} does: it is called.
    @ivar notes: What it was told.
    @ivar kept: The inodes of the groups that it was given.
    @ivar lend: What L{Lend} answers with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answer: Any = lambda name: {"greeting": f"hello {name}"}
        self.notes: list[str] = []
        self.kept: list[list[int]] = []
        self.lend: Any = {}
        self.reasons: list[Failure] = []

    @responds(Greet)
    def greet(self, name: str) -> Any:
        """
        Say hello.
        """
        return self.answer(name)

    @responds(Note)
    def note(self, text: str) -> dict[str, Any]:
        """
        Keep it.
        """
        self.notes.append(text)
        return self.answer(text) or {}

    @responds(Keep)
    def keep(self, descriptors: list[int], number: Sequence[int]) -> dict[str, Any]:
        """
        Remember which they are, and close them.
        """
        self.kept.append([inodeOf(descriptor) for descriptor in descriptors])
        closeAll(descriptors)
        return {"kept": len(descriptors)}

    @responds(Lend)
    def lendSome(self, count: int) -> Any:
        """
        Answer with them.
        """
        return self.lend

    def channelLost(self, reason: Failure) -> None:
        """
        Keep it.
        """
        self.reasons.append(reason)


def codeOf(failure: Failure) -> bytes:
    """
    What AMP calls an error that is not one of the declared ones.
    """
    assert isinstance(failure.value, amp.RemoteAmpError)
    code: bytes = failure.value.errorCode
    return code


class ChannelCase(DescriptorsCountedTestCase):
    """
    Two links that are connected in memory.
    """

    def setUp(self) -> None:
        """
        Connect them.
        """
        super().setUp()
        self.first, self.second = Link(), Link()
        self.pump: ChannelPump = connectedChannels(self.first, self.second)
        self.addCleanup(self.pump.lose)

    def logged(self) -> list[type[BaseException]]:
        """
        The failures that were logged as such.
        """
        return [failure.type for failure in self.flushLoggedErrors()]

    def assertWorks(self) -> None:
        """
        The channel is still good, for descriptors also.
        """
        descriptor = self.aDescriptor()
        for asking, answering in (
            (self.first, self.second),
            (self.second, self.first),
        ):
            kept = asking.callRemote(Keep, descriptors=[descriptor], number=[1])
            self.pump.flush()
            self.assertEqual(self.successResultOf(kept), {"kept": 1})
            self.assertEqual(answering.kept.pop(), [inodeOf(descriptor)])

    def assertParted(self) -> None:
        """
        The channel has closed, on both sides and once.
        """
        self.pump.flush()
        for link in (self.first, self.second):
            self.assertFalse(link.connected)
            self.assertEqual(len(link.reasons), 1)
