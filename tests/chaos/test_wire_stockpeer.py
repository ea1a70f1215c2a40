"""
A peer that runs stock AMP, in the place of a worker and in that of a primary.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._primary.handofflink import HandoffLink
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.handofftransport import HandoffTransport
from twisted_cluster._supervision.lifecycle import State
from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster._wire.jsoncodec import JSONCodec
from twisted_cluster._wire.toprimary import (
    WIRE_VERSION,
    Announce,
    GiveBack,
    Leaving,
    Running,
    StartTaking,
    StopTaking,
)
from twisted_cluster._wire.toworker import Leave
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster.interfaces import IBorrowedPort, ISpawner, WorkerChannels
from twisted_cluster.settings import HandoffSettings, SchedulingPolicy, WorkerProgram
from twisted_cluster.testing.ports import MemoryPortOpener


class StockListen(amp.Command):
    """
    C{Listen}, as one knows it who has AMP's own types of arguments only.
    """

    commandName = b"Listen"
    arguments = [
        (b"kind", amp.Unicode()),
        (b"interface", amp.Unicode()),
        (b"port", amp.Integer()),
        (b"path", amp.String()),
        (b"backlog", amp.Integer()),
        (b"mode", amp.Integer()),
        (b"wantPID", amp.Boolean()),
        (b"reuseAddress", amp.Boolean()),
        (b"ipv6Only", amp.Boolean()),
    ]
    response = [
        (b"errno", amp.Integer()),
        (b"loan", amp.Integer(optional=True)),
        (b"descriptors", amp.Integer(optional=True)),
    ]


class StockTakeConnections(amp.Command):
    """
    C{TakeConnections} likewise.
    """

    commandName = b"TakeConnections"
    arguments = [
        (b"loan", amp.Integer()),
        (b"inodes", amp.String()),
        (b"descriptors", amp.Integer()),
    ]
    response = [(b"refused", amp.String())]


class StockMessages(amp.Command):
    """
    C{Messages} likewise.
    """

    commandName = b"cluster:Messages"
    arguments = [
        (b"parts", amp.String()),
        (b"content", amp.String()),
        (b"delivered", amp.Integer(optional=True)),
    ]
    requiresAnswer = False


class StockQuestions(StockMessages):
    """
    C{Questions} likewise.
    """

    commandName = b"cluster:Questions"


class StockDelivered(amp.Command):
    """
    C{Delivered} likewise.
    """

    commandName = b"cluster:Delivered"
    arguments = [
        (b"lane", amp.String()),
        (b"boxes", amp.Integer()),
    ]
    requiresAnswer = False


class StockPeer(amp.AMP):
    """
    Keeps what it is told, and answers.

    @ivar heard: The names and values of the commands that came.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, ...]] = []
        self.lost: Failure | None = None

    @StockTakeConnections.responder
    def takeConnections(
        self, loan: int, inodes: bytes, descriptors: int
    ) -> dict[str, Any]:
        """
        Refuse the second of them.
        """
        self.heard.append(("connections", loan, len(inodes) // 8, descriptors))
        return {"refused": (1).to_bytes(8, "big") if descriptors > 1 else b""}

    @Leave.responder
    def leave(self) -> dict[str, Any]:
        """
        Say that it has begun.
        """
        self.heard.append(("leave",))
        return {}

    @StockMessages.responder
    def messages(self, **values: Any) -> dict[str, Any]:
        """
        Keep a message, and say that it was delivered.
        """
        self.heard.append(("message", values["content"]))
        self.callRemote(StockDelivered, lane=b"cluster:Messages", boxes=1)
        return {}

    @StockQuestions.responder
    def questions(self, **values: Any) -> dict[str, Any]:
        """
        Keep the other side's question, or its answer.
        """
        self.heard.append(("question", values["content"]))
        self.callRemote(StockDelivered, lane=b"cluster:Questions", boxes=1)
        return {}

    @StockDelivered.responder
    def delivered(self, lane: bytes, boxes: int) -> dict[str, Any]:
        """
        Keep how much was delivered.
        """
        self.heard.append(("delivered", lane, boxes))
        return {}

    @Running.responder
    def running(self) -> dict[str, Any]:
        """
        Keep it.
        """
        self.heard.append(("running",))
        return {}

    @StartTaking.responder
    def startTaking(self, loan: int) -> dict[str, Any]:
        """
        Keep it.
        """
        self.heard.append(("start", loan))
        return {}

    @StopTaking.responder
    def stopTaking(self, loan: int) -> dict[str, Any]:
        """
        Keep it.
        """
        self.heard.append(("stop", loan))
        return {}

    @Leaving.responder
    def leaving(self) -> dict[str, Any]:
        """
        Keep it.
        """
        self.heard.append(("leaving",))
        return {"messages": 0, "questions": 0, "isWaiting": False}

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """
        Keep it.
        """
        self.lost = reason
        super().connectionLost(reason)

    def closeDescriptors(self) -> None:
        """
        Close what came along: stock AMP keeps it until somebody asks for it.
        """
        closeAll([self._getDescriptor(key) for key in list(self._descriptors)])


class StockCase(RealReactorTestCase):
    """
    A real channel with a stock peer at one end.
    """

    def connect(self, channel: Any) -> StockPeer:
        """
        Connect a channel to a stock peer.
        """
        ours, theirs = self.socketPair()
        if isinstance(channel, HandoffLink):
            # On a stream, as stock AMP knows no packets.
            HandoffTransport(self.reactor, ours, theirs.dup(), channel).open()
        else:
            DescriptorTransport(self.reactor, ours, channel).open()
        stock = StockPeer()
        theirs.setblocking(False)
        self.reactor.adoptStreamConnection(
            theirs.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: stock)
        )
        theirs.close()
        self.addCleanup(self._part, stock)
        return stock

    def _part(self, stock: StockPeer) -> None:
        """
        Close the channel.
        """
        stock.closeDescriptors()
        if stock.transport is not None:
            stock.transport.loseConnection()
        self.turnUntil(lambda: stock.lost)
        self.turn()

    def result(self, asked: Deferred[Any]) -> Any:
        """
        Wait for what comes.
        """
        results: list[Any] = []
        asked.addBoth(results.append)
        self.turnUntil(lambda: results)
        return results[0]


class StockWorkerTests(StockCase):
    """
    It is the worker.
    """

    def setUp(self) -> None:
        """
        Start it.
        """
        super().setUp()
        self.opener = MemoryPortOpener()
        spawner: ISpawner = _Spawner(self.connect)  # type: ignore[assignment]
        self.roster = Roster(
            SchedulingPolicy.RR, HandoffSettings(), spawner, self.opener, Clock()
        )
        self.addCleanup(self.opener.close)
        program = WorkerProgram(arguments=("x",), environment={})
        self.handle: WorkerHandle = self.roster.fork(program, 0)
        self.stream, self.query, self.handoff = spawner.peers  # type: ignore[attr-defined]

    def test_life(self) -> None:
        """
        It comes up, borrows a port, takes connections and refuses some, gives the
        port back and leaves.
        """
        answer = self.result(self.query.callRemote(Announce, wireVersion=WIRE_VERSION))
        self.assertEqual((answer["worker"], answer["serialization"]), (1, "json"))
        self.stream.callRemote(Running)
        self.turnUntil(lambda: self.handle.mayTakeConnections)
        lent = self.result(
            self.query.callRemote(
                StockListen,
                kind="tcp",
                interface="",
                port=8080,
                path=b"",
                backlog=50,
                mode=0,
                wantPID=False,
                reuseAddress=True,
                ipv6Only=False,
            )
        )
        self.assertEqual(lent, {"errno": 0, "loan": 1, "descriptors": 1})
        self.handoff.callRemote(StartTaking, loan=1)
        [port] = self.opener.ports
        self.turn()
        clients = port.accept(3)
        self.turnUntil(lambda: self.handoff.heard)
        self.assertEqual(self.handoff.heard, [("connections", 1, 3, 3)])
        self.handoff.closeDescriptors()
        self.turnUntil(lambda: not clients[0].isServed)
        # What it refused is kept for another.
        self.assertEqual([client.isServed for client in clients], [False, True, False])
        self.handle.leave()
        self.turnUntil(lambda: ("leave",) in self.stream.heard)
        gone = {"loan": 1, "leaving": False}
        self.assertEqual(self.result(self.query.callRemote(GiveBack, **gone)), {})
        self.assertFalse(clients[1].isServed)
        self.assertEqual(
            self.result(self.stream.callRemote(Leaving)),
            {"messages": 0, "questions": 0, "isWaiting": False},
        )
        self.assertIs(self.handle.lifecycle.state, State.RETIRING)

    def test_messages(self) -> None:
        """
        It hears messages, and is heard.
        """
        heard: list[Any] = []
        self.handle.link.receiveMessages(lambda message, _: heard.append(message))
        self.assertIsNone(self.result(self.handle.link.sendMessage({"a": 1})))
        self.stream.callRemote(
            StockMessages, parts=(4).to_bytes(8, "big"), content=b"null"
        )
        self.turnUntil(lambda: heard and len(self.stream.heard) == 2)
        self.assertEqual(heard, [None])
        self.assertEqual(
            self.stream.heard,
            [("message", b'{"a":1}'), ("delivered", b"cluster:Messages", 1)],
        )

    def test_unknown(self) -> None:
        """
        What neither knows is refused, and nothing else happens.
        """
        refused = self.result(self.stream.callRemote(Announce, wireVersion=1))
        self.assertIsInstance(refused, Failure)
        refused.trap(amp.UnhandledCommand)
        self.assertTrue(self.handle.link.connected)


class _Spawner:
    """
    Starts stock peers.
    """

    def __init__(self, connect: Callable[[Any], StockPeer]) -> None:
        self._connect = connect
        self.peers: list[StockPeer] = []

    def spawn(
        self, process: Any, program: Any, workerID: int, channels: WorkerChannels
    ) -> dict[int, Any]:
        """
        Connect each channel to one.
        """
        for channel in (channels.stream, channels.query, channels.handoff):
            self.peers.append(self._connect(channel))
        return {}


@implementer(IBorrowedPort)
class _Port:
    """
    Takes every connection, and closes it.
    """

    def takeConnections(
        self, descriptors: Sequence[int], insured: bool
    ) -> Sequence[int]:
        """
        Close them.
        """
        closeAll(descriptors)
        return []


class StockPrimaryTests(StockCase):
    """
    It is the primary.
    """

    def setUp(self) -> None:
        """
        Connect a worker's link to it.
        """
        super().setUp()
        self.happened: list[str] = []
        self.link = PrimaryLink(
            JSONCodec(),
            lambda: self.happened.append("asked"),
            lambda: self.happened.append("lost"),
        )
        self.stock = self.connect(self.link)
        self.handoffs = TakingLink()
        self.handoffStock = self.connect(self.handoffs)

    def test_life(self) -> None:
        """
        It is told what the worker says, sends it a connection, and asks it to leave.
        """
        self.link.reportRunning()
        self.handoffs.startTaking(7, _Port())
        self.turnUntil(lambda: self.stock.heard and self.handoffStock.heard)
        self.assertEqual(self.stock.heard, [("running",)])
        self.assertEqual(self.handoffStock.heard, [("start", 7)])
        client, served = self.socketPair()
        # Its own way to send one descriptor: with a byte of what it says next.
        assert self.handoffStock.transport is not None
        self.handoffStock.transport.sendFileDescriptor(served.fileno())  # type: ignore[attr-defined]
        inode = os.fstat(served.fileno()).st_ino.to_bytes(8, "big")
        answer = self.result(
            self.handoffStock.callRemote(
                StockTakeConnections, loan=7, inodes=inode, descriptors=1
            )
        )
        self.assertEqual(answer, {"refused": b""})
        served.close()
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.result(self.stock.callRemote(Leave)), {})
        self.assertEqual(self.happened, ["asked"])
        self.handoffs.stopTaking(7)
        self.turnUntil(lambda: ("stop", 7) in self.handoffStock.heard)

    def test_tooManyDescriptors(self) -> None:
        """
        A descriptor that no box names breaks the rules.
        """
        _, served = self.socketPair()
        assert self.stock.transport is not None
        self.stock.transport.sendFileDescriptor(served.fileno())  # type: ignore[attr-defined]
        self.stock.callRemote(Leave).addErrback(lambda _: None)
        self.turnUntil(lambda: self.happened)
        self.turnUntil(lambda: self.stock.lost)
        self.assertIn("lost", self.happened)
