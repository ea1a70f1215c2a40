"""
Tests of L{twisted_cluster._reactor.serving}.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, cast

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit._reactor.turning import TurningReactor
from twisted_cluster._reactor.serving import Conversation, Serving
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.events import ListeningAddress
from twisted_cluster.interfaces import IServing


class ListeningReactor(TurningReactor):
    """
    A reactor that listens on descriptors.

    @ivar calls: What was asked of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []

    def listenOnDescriptor(self, *arguments: Any) -> str:
        """
        Keep it.
        """
        self.calls.append(arguments)
        return "stream port"

    def receiveOnDescriptor(self, *arguments: Any) -> str:
        """
        Keep it.
        """
        self.calls.append(arguments)
        return "datagram port"


class OpenPort:
    """
    A port whose end takes as long as the test wants.

    @ivar closed: Fires when it is closed.
    @ivar limit: How many connections it serves.
    @ivar dropped: Told of what is too much.
    """

    def __init__(self) -> None:
        self.closed: Deferred[None] = Deferred()
        self.limit: int | None = 0
        self.dropped: object = None

    def stopListening(self) -> Deferred[None]:
        """
        Close.
        """
        return self.closed

    def limitConnections(self, limit: int | None, dropped: object) -> None:
        """
        Keep it.
        """
        self.limit, self.dropped = limit, dropped


class FailingPort:
    """
    A port that cannot be closed, and knows no connections.
    """

    def stopListening(self) -> Deferred[None]:
        """
        Fail.
        """
        return fail(ZeroDivisionError())


class ServingTests(SynchronousTestCase):
    """
    Tests of L{Serving}.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        self.reactor = ListeningReactor()
        self.serving = Serving(self.reactor)

    def test_interface(self) -> None:
        """
        It is what a leaving worker asks.
        """
        verifyObject(IServing, self.serving)

    def test_closePorts(self) -> None:
        """
        All ports are closed when the last one is; one that fails is passed over.
        """
        self.successResultOf(self.serving.closePorts())
        port = OpenPort()
        self.serving.ports |= {port, FailingPort()}
        closed = self.serving.closePorts()
        self.assertNoResult(closed)
        port.closed.callback(None)
        self.assertIsNone(self.successResultOf(closed))

    def test_listening(self) -> None:
        """
        It is known whether a port is open; and where the first one was opened, to
        who asked before and to who asks after.
        """
        early = self.serving.whenListening()
        self.assertFalse(self.serving.isListening)
        self.assertNoResult(early)
        first, second = (
            ListeningAddress(address=None, port=port, addressType=4)
            for port in (8080, 8081)
        )
        self.serving.portOpened(OpenPort(), first)
        self.serving.portOpened(OpenPort(), second)
        self.assertTrue(self.serving.isListening)
        self.assertEqual(len(self.serving.ports), 2)
        self.assertIs(self.successResultOf(early), first)
        self.assertIs(self.successResultOf(self.serving.whenListening()), first)

    def test_served(self) -> None:
        """
        Clients are served when the last connection is closed; asked before or
        after.
        """
        first, second = object(), object()
        self.serving.connectionMade(first)
        self.serving.connectionLost(first)
        self.serving.connectionMade(first)
        self.serving.connectionMade(second)
        early = self.serving.whenServed()
        self.serving.connectionLost(second)
        self.assertNoResult(early)
        self.serving.connectionLost(first)
        self.successResultOf(early)
        self.successResultOf(self.serving.whenServed())

    def test_nobodyToServe(self) -> None:
        """
        Without clients it is so at once.
        """
        self.successResultOf(self.serving.whenServed())

    def test_idle(self) -> None:
        """
        While nobody asks whether its reactor is idle, nobody looks; whoever asks
        later is told as well.
        """
        self.reactor.readers.append("outgoing")
        self.reactor.removeReader("waker")
        self.assertEqual(self.reactor.later, [])
        idle = [self.serving.whenIdle() for _ in range(2)]
        self.reactor.removeReader("outgoing")
        self.reactor.turn()
        for each in [*idle, self.serving.whenIdle()]:
            self.successResultOf(each)

    def test_conversation(self) -> None:
        """
        Inside a conversation, also one in another, it is in conversation; an
        exception ends it, too.
        """
        seen = [self.serving.inConversation]
        with contextlib.suppress(ZeroDivisionError), Conversation(self.serving):
            with Conversation(self.serving):
                seen.append(self.serving.inConversation)
            seen.append(self.serving.inConversation)
            self.assertTrue(self.serving.opensOwn)
            raise ZeroDivisionError
        seen.append(self.serving.inConversation)
        self.assertEqual(seen, [False, True, True, False])

    def test_own(self) -> None:
        """
        Ports are this worker's own where that was asked for, and no longer; also
        inside a conversation, and in the middle of one.
        """
        seen = [self.serving.opensOwn]
        with contextlib.suppress(ZeroDivisionError), self.serving.owning():
            with self.serving.owning(), Conversation(self.serving):
                seen.append(self.serving.opensOwn)
            seen.append(self.serving.opensOwn)
            raise ZeroDivisionError
        seen.append(self.serving.opensOwn)
        self.assertEqual(seen, [False, True, True, False])

    def test_waiting(self) -> None:
        """
        What a coroutine asks for holds while it waits, and for nobody else: neither
        for who goes on meanwhile, nor for other coroutines, in whatever order they
        end.
        """
        for asked, holds in (
            (self.serving.owning, lambda: self.serving.opensOwn),
            (self.serving.onIPv6Only, lambda: self.serving.ipv6Only),
        ):
            gates: list[Deferred[None]] = [Deferred(), Deferred()]
            seen: list[bool] = []

            async def ask(
                gate: Deferred[None],
                asked: Callable[[], AbstractContextManager[None]] = asked,
                holds: Callable[[], bool] = holds,
                seen: list[bool] = seen,
            ) -> None:
                with asked():
                    await gate
                    seen.append(holds())
                seen.append(holds())

            with Conversation(self.serving):
                asking = [Deferred.fromCoroutine(ask(gate)) for gate in gates]
            self.assertFalse(holds())
            for gate in gates:
                gate.callback(None)
                self.assertFalse(holds())
            for each in asking:
                self.successResultOf(each)
            self.assertEqual(seen, [True, False] * 2)

    def test_ipv6Only(self) -> None:
        """
        The same for ports that leave IPv4 alone.
        """
        seen = [self.serving.ipv6Only]
        with contextlib.suppress(ZeroDivisionError), self.serving.onIPv6Only():
            with self.serving.onIPv6Only():
                seen.append(self.serving.ipv6Only)
            seen.append(self.serving.ipv6Only)
            raise ZeroDivisionError
        seen.append(self.serving.ipv6Only)
        self.assertEqual(seen, [False, True, True, False])

    def test_adopt(self) -> None:
        """
        The primary's sockets are the reactor's matter.
        """
        factory = Factory()
        self.assertEqual(
            [
                cast(Any, self.serving.adoptStreamPort(3, socket.AF_INET, factory)),
                cast(Any, self.serving.adoptDatagramPort(4, socket.AF_INET, None, 99)),
            ],
            ["stream port", "datagram port"],
        )
        self.assertEqual(
            self.reactor.calls,
            [(3, socket.AF_INET, factory), (4, socket.AF_INET, None, 99)],
        )

    def test_limit(self) -> None:
        """
        An open port with connections can be limited, and no other.
        """
        port, failing = OpenPort(), FailingPort()
        self.serving.ports |= {port, failing}
        dropped: list[object] = []
        self.serving.limitConnections(port, 3, lambda *ends: dropped.append(ends))
        self.assertEqual(port.limit, 3)
        assert callable(port.dropped)
        port.dropped("host", "peer")
        self.assertEqual(dropped, [("host", "peer")])
        self.serving.limitConnections(port, None, None)
        self.assertEqual((port.limit, port.dropped), (None, None))
        self.serving.limitConnections(port, 3, None)
        noNumber: Any = "4"
        half: Any = 2.5
        for other, limit in (
            (OpenPort(), 3),
            (failing, 3),
            (port, -1),
            (port, noNumber),
            (port, half),
        ):
            self.assertRaises(
                ConfigurationError, self.serving.limitConnections, other, limit, None
            )
        self.assertEqual(port.limit, 3)
