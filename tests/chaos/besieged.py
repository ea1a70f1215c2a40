"""
Both sides of the wire in memory, with a peer that is not to be trusted: what the
fuzzer speaks to, and what must be the case whatever it says.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.protocols import amp
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.chaos.countingdescriptors import CountingDescriptors
from tests.chaos.hostile import Piece, Speech, chunks, encode, stream
from tests.unit._primary.clusters import MemorySurroundings, OpenFiles
from twisted_cluster._primary.cluster import Cluster
from twisted_cluster._wire.boxes import SIZE_LIMIT, Box, BoxReader, serialize
from twisted_cluster._wire.channel import Channel
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.lanes import (
    HANDLE,
    HEADER,
    PART_LIMIT,
    WINDOW,
    Delivered,
    Inbox,
)
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster._wire.toprimary import (
    WIRE_VERSION,
    Announce,
    GiveBack,
    LastWords,
    Leaving,
    Listen,
    Running,
    SendOn,
    StartTaking,
    StopTaking,
    Touched,
)
from twisted_cluster._wire.toworker import Leave, TakeConnections, Turn
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster.errors import AnswerFailed, ChannelClosed, ListenRefused
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IBlockingChannel,
    IBorrowedPort,
    IHandoffTransport,
    WorkerChannels,
)
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.testing.channels import READ_SIZE, MemoryAddress
from twisted_cluster.testing.processes import MemoryProcess, MemorySpawner

REQUEST = ListenRequest(kind=PortKind.TCP, port=8000)

MESSAGES: tuple[Any, ...] = (
    None,
    1,
    -(10**30),
    "words",
    "\ud800",
    [1, [2, [3]]],
    {"a": {"b": 1.5}},
    "x" * 5000,
    [[]] * 50,
)


class Violation(AssertionError):
    """
    Something was not as it must be whatever a peer says.
    """


def require(condition: object, what: str) -> None:
    """
    @raise Violation: if it is not the case.
    """
    if not condition:
        raise Violation(what)


class CountingReader(BoxReader):
    """
    Counts the boxes.
    """

    count = 0

    def feed(self, data: bytes) -> list[Box]:
        """
        Read, and count.
        """
        boxes = super().feed(data)
        self.count += len(boxes)
        return boxes


@implementer(IHandoffTransport)
class Sink:
    """
    A transport whose other end the fuzzer plays: what is written goes nowhere.

    @ivar isClosing: Whether nothing is to be delivered any more.
    @ivar unread: Boxes with descriptors that the fuzzer leaves unread.
    """

    unsent = 0
    _written = 0

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        self.unread: list[bytes] = []
        self.isClosing = False
        self.isLost = False

    def write(self, data: bytes) -> None:
        """
        Nobody reads it.
        """

    def writeSequence(self, iovec: Any) -> None:
        """
        Nobody reads it.
        """

    def writeWithDescriptors(self, data: bytes, descriptors: Sequence[int]) -> None:
        """
        What is sent has to be open.  Every third is left unread.
        """
        for descriptor in descriptors:
            os.fstat(descriptor)
        self._written += 1
        if self._written % 3 == 0:
            self.unread.append(data)

    def loseConnection(self) -> None:
        """
        Deliver nothing more.
        """
        self.isClosing = True

    abortConnection = loseConnection

    def readToTheEnd(self) -> None:
        """
        The fuzzer says what it has to say.
        """

    def takeBack(self) -> list[bytes]:
        """
        The fuzzer has read everything, but for what it did not.
        """
        packets, self.unread = self.unread, []
        return packets

    def getHost(self) -> MemoryAddress:
        """
        No address.
        """
        return MemoryAddress()

    getPeer = getHost

    def deliver(self, piece: Piece, descriptors: CountingDescriptors) -> None:
        """
        Something arrives, as from C{recvmsg}.
        """
        if piece.descriptors is not None:
            group = descriptors.new(piece.descriptors)
            self.protocol.descriptorsReceived(group)
        for start in range(0, len(piece.data), READ_SIZE):
            self.protocol.dataReceived(piece.data[start : start + READ_SIZE])
            assertBounded(self.protocol)

    def lose(self) -> None:
        """
        The channel is lost, once.
        """
        if not self.isLost:
            self.isLost = True
            self.protocol.connectionLost(Failure(ConnectionDone()))


def assertBounded(channel: Channel) -> None:
    """
    What a channel keeps does not grow beyond what is known.
    """
    reader = channel._reader
    require(reader._size <= SIZE_LIMIT, "a box beyond the limit")
    require(len(reader._rest) <= 2 + 255 + 2 + 65535, "too much of a pair")
    require(len(channel._arrived) <= 1, "descriptors pile up")
    require(not channel._claimable, "descriptors that nobody claimed")
    if isinstance(channel, MessagingChannel):
        for inbox, outbox in channel._lanes.values():
            _assertInboxBounded(inbox)
            require(outbox._room <= WINDOW, "more room than there is")


def _assertInboxBounded(inbox: Inbox) -> None:
    """
    As many messages wait as the window has room for.
    """
    size = sum(
        len(content) + HEADER * len(numbers) + (HANDLE if handle else 0)
        for numbers, content, handle in inbox._waiting
    )
    require(size <= WINDOW + 2 * PART_LIMIT, "more waits than the window has room for")
    require(
        all(numbers for numbers, _, _ in inbox._waiting), "boxes that weigh nothing"
    )


class Shout(amp.Command):
    """
    A command of the application's own.
    """

    arguments = [(b"words", amp.Unicode()), (b"times", amp.Integer())]
    response = [(b"words", amp.Unicode())]
    errors = {ValueError: b"RUDE"}


class Application(amp.CommandLocator):
    """
    An application that makes mistakes.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self.wantsMessages = random.random() < 0.8

    def mistake(self) -> None:
        """
        Fail sometimes.
        """
        if self._random.random() < 0.05:
            raise RuntimeError("the application's mistake")

    def locateResponder(self, name: bytes) -> Any:
        """
        Look, and fail sometimes.
        """
        self.mistake()
        return super().locateResponder(name)

    @Shout.responder
    def shout(self, words: str, times: int) -> dict[str, Any]:
        """
        Respond.
        """
        self.mistake()
        if times < 0:
            raise ValueError("not so loud")
        return {"words": words.upper() * min(times, 3)}

    def answer(self, question: object) -> object:
        """
        Answer, or not, or later, or never.
        """
        self.mistake()
        if isinstance(question, str):
            return Deferred()
        if question is None:
            raise AnswerFailed("no")
        return question

    def receive(self, *what: object) -> None:
        """
        Receive a message.
        """
        self.mistake()

    def receiveSome(self, messages: Iterator[object], along: object) -> None:
        """
        Receive messages, and perhaps want no more of them for now.
        """
        for message in messages:
            self.wantsMessages = self._random.random() < 0.8
            self.receive(message, along)
            if not self.wantsMessages:
                break


class Besieged:
    """
    What both sides have in common.

    @ivar boxes: How many boxes were understood as such.
    @ivar said: The chunks of the present stream, to be shown if it goes wrong.
    """

    def __init__(self, descriptors: CountingDescriptors, random: Random) -> None:
        self.descriptors = descriptors
        self.random = random
        self.boxes = 0
        self.said: list[tuple[str, Piece]] = []

    def hostileStream(self) -> None:
        """
        Listen to one peer, from its beginning to its end.
        """
        raise NotImplementedError

    def close(self) -> None:
        """
        The end: nothing is left.
        """
        raise NotImplementedError

    def sink(self, channel: Any) -> Sink:
        """
        Connect a channel to the fuzzer.
        """
        channel._reader = CountingReader()
        sink = Sink(channel)
        channel.makeConnection(sink)
        return sink

    def say(self, name: str, sink: Sink, piece: Piece) -> None:
        """
        Let something arrive.
        """
        if not sink.isClosing:
            self.said.append((name, piece))
            sink.deliver(piece, self.descriptors)
        if sink.isClosing:
            # The kernel may have had more; it has no meaning.
            sink.deliver(Piece(b"\0\4_ask", 1), self.descriptors)
            sink.deliver(piece, self.descriptors)

    def mutter(
        self, name: str, sinks: Sequence[Sink], speech: Speech, pools: Any
    ) -> Iterator[Sink]:
        """
        A stream of hostile boxes, on any of these channels.
        """
        length = self.random.choice((5, 50, 200))
        pieces = stream(speech, pools, length)
        sink = self.random.choice(sinks)
        for piece in chunks(self.random, pieces):
            if self.random.random() < 0.05:
                sink = self.random.choice(sinks)
            if sink.isClosing:
                # As soon as it is known, somebody closes.
                break
            self.say(f"{name} {sinks.index(sink)}", sink, piece)
            yield sink

    def confirm(self, link: MessagingChannel) -> Piece | None:
        """
        What the lanes of a link wait for.
        """
        lane, (_, outbox) = self.random.choice(list(link._lanes.items()))
        count = len(outbox._underway)
        if not count:
            return None
        box = {
            amp.COMMAND: Delivered.commandName,
            b"lane": lane,
            b"boxes": b"%d" % self.random.randrange(count + 1),
        }
        if self.random.random() < 0.2:
            box[b"begun"] = b"%d" % self.random.randrange(4)
        if self.random.random() < 0.2:
            box[b"refused"] = b"True"
        elif self.random.random() < 0.2:
            box[b"unreadable"] = self.random.choice(
                (b"x", struct.pack("!Q", self.random.randrange(3)), b"\xff" * 16)
            )
        return Piece(serialize(box))

    def answer(self, channel: Channel, speech: Speech) -> Piece | None:
        """
        What a channel waits for.
        """
        if not channel._questions:
            return None
        tag, question = self.random.choice(list(channel._questions.items()))
        pairs, count = speech.answer(tag, question.command)
        return Piece(encode(pairs), count)

    def chat(self, correspondent: Any) -> None:
        """
        Something that the application of this side does meanwhile.
        """
        choice = self.random.randrange(4)
        if choice == 0:
            sent = correspondent.send(self.random.choice((1, "words", [2] * 40)))
            sent.addErrback(lambda _: None)
        elif choice == 1:
            [descriptor] = self.descriptors.new()
            sent = correspondent.send("with a handle", descriptor)
            sent.addBoth(lambda _: os.close(descriptor))
        elif choice == 2:
            asked = correspondent.ask("what is it?")
            asked.addErrback(lambda _: None)
        else:
            called = correspondent.callRemote(Shout, words="hey", times=1)
            called.addErrback(lambda _: None)


def contentsOf(random: Random, codec: Any) -> Callable[[], bytes]:
    """
    What makes the bytes of messages, nearly all of which can be decoded.
    """
    known = [codec.encode(message) for message in MESSAGES if _encodes(codec, message)]

    def content() -> bytes:
        chosen: bytes = random.choice(known)
        if random.random() < 0.05:
            cut = random.randrange(len(chosen) + 1)
            chosen = chosen[:cut] + random.randbytes(random.randrange(3))
        return chosen

    return content


def _encodes(codec: Any, message: object) -> bool:
    """
    Whether a codec has words for a message.
    """
    try:
        codec.encode(message)
    except ValueError:
        return False
    return True


class _Scripted:
    """
    The worker in a process that the fuzzer plays.
    """

    def __init__(self, stream: Sink, query: Sink, handoff: Sink) -> None:
        self.stream = stream
        self.query = query
        self.handoff = handoff

    def closeAll(self) -> None:
        """
        The channels close; the primary has both ends of one of them, and closes that
        itself.
        """
        self.stream.lose()
        self.query.lose()
        self.finish()

    def finish(self) -> None:
        """
        The primary closes the hand-off channel.
        """
        if self.handoff.isClosing:
            self.handoff.lose()


class HostileSpawner(MemorySpawner):
    """
    Starts processes that the fuzzer plays, when it is told so.

    @ivar connect: Connects a channel to the fuzzer; C{None} for processes that
        behave.
    """

    connect: Callable[[Any], Sink] | None = None

    def spawn(
        self,
        process: Any,
        program: Any,
        workerID: int,
        channels: WorkerChannels,
    ) -> Any:
        """
        Start one of either kind.
        """
        if self.connect is None:
            return super().spawn(process, program, workerID, channels)
        worker: Any = _Scripted(
            self.connect(channels.stream),
            self.connect(channels.query),
            self.connect(channels.handoff),
        )
        started = MemoryProcess(1, process, program, workerID, worker)
        self.processes.append(started)
        process.makeConnection(started)
        return {}


class BesiegedPrimary(Besieged):
    """
    A primary with two workers that behave, and one after the other that does not.
    """

    def __init__(self, descriptors: CountingDescriptors, random: Random) -> None:
        super().__init__(descriptors, random)
        self.surroundings = MemorySurroundings()
        self.surroundings.spawner = self.spawner = HostileSpawner()
        self.cluster = Cluster(self.surroundings, self.surroundings.clock)
        serialization = random.choice(("json", "json", "advanced"))
        self.cluster.setupPrimary(serialization=serialization)
        self.application = Application(random)
        self.cluster.on("message", self.application.receive)
        self.peers = []
        for _ in range(2):
            self.cluster.fork()
            peer = self.spawner.processes.pop()
            peer.worker.comeUp()
            peer.worker.serve(REQUEST)
            self.peers.append(peer)
        [self.port] = self.surroundings.opener.openPorts
        contents = contentsOf(random, codecNamed(serialization))
        self._speech = Speech(random, [Running, LastWords, Shout, Shout], contents)
        self._streamPools = self._speech.pools(150)
        handoffs = Speech(random, [StartTaking, StopTaking, Touched], contents)
        self._handoffs = handoffs
        self._handoffPools = handoffs.pools(80)
        queries = Speech(
            random, [Announce, Listen, SendOn, GiveBack, GiveBack], contents
        )
        self._queries = queries
        self._queryPools = queries.pools(40)
        farewell = Speech(random, [Leaving], contents)
        self._farewell = [Piece(encode(farewell.command()[0]))]

    def hostileStream(self) -> None:
        """
        A worker that does not behave comes and goes.
        """
        self.said = []
        self.spawner.connect = self.sink
        worker = self.cluster.fork()
        process: Any = self.spawner.processes.pop()
        self.spawner.connect = None
        self.surroundings.clock.advance(0)
        worker.answer(self.application.answer)
        worker.addLocator(self.application)
        link, query = process.worker.stream, process.worker.query
        handoff = process.worker.handoff
        if self.random.random() < 0.9:
            self._comeUp(link, query, handoff)
        if self.random.random() < 0.2:
            for _ in self.mutter("query", [query], self._queries, self._queryPools):
                self._meanwhile(worker, link, handoff)
        if self.random.random() < 0.5:
            pools = self._handoffPools
            for _ in self.mutter("handoff", [handoff], self._handoffs, pools):
                self._meanwhile(worker, link, handoff)
        for _ in self.mutter("stream", [link], self._speech, self._streamPools):
            self._meanwhile(worker, link, handoff)
        if self.random.random() < 0.2:
            self.say("stream 0", link, self._farewell[0])
        self._end(process, link, query)
        self.boxes += link.protocol._reader.count + query.protocol._reader.count
        self._assertOthersServe()

    def _comeUp(self, link: Sink, query: Sink, handoff: Sink) -> None:
        """
        It begins as any worker does.
        """
        box = {
            amp.COMMAND: b"Announce",
            amp.ASK: b"1",
            b"wireVersion": b"%d" % WIRE_VERSION,
        }
        self.say("query 0", query, Piece(serialize(box)))
        request = [
            (amp.COMMAND, b"Listen"),
            (amp.ASK, b"2"),
            (b"kind", b"tcp"),
            (b"interface", b""),
            (b"port", b"8000"),
            (b"path", b""),
            (b"backlog", b"50"),
            (b"mode", b"0"),
            (b"wantPID", b"False"),
            (b"reuseAddress", b"True"),
            (b"ipv6Only", b"False"),
        ]
        self.say("query 0", query, Piece(encode(request)))
        self.say("stream 0", link, Piece(serialize({amp.COMMAND: Running.commandName})))
        for loan in list(self.cluster._roster.ports._byLoan):  # type: ignore[union-attr]
            box = {amp.COMMAND: b"StartTaking", b"loan": b"%d" % loan}
            self.say("handoff 0", handoff, Piece(serialize(box)))

    def _meanwhile(self, worker: Any, link: Sink, handoff: Sink) -> None:
        """
        What the primary does while it listens.
        """
        choice = self.random.random()
        if choice < 0.05:
            self.chat(worker)
        elif choice < 0.07:
            self._observeMessages()
        elif choice < 0.15:
            self._accept(self.random.choice((1, 3)))
        elif choice < 0.16:
            worker.disconnect()
        elif choice < 0.18:
            self.surroundings.clock.advance(0.2)
        elif choice < 0.35:
            piece = self.confirm(link.protocol)
            if piece is not None:
                self.say("stream 0", link, piece)
        elif choice < 0.45:
            piece = self.answer(handoff.protocol, self._handoffs)
            if piece is not None:
                self.say("handoff 0", handoff, piece)
        elif choice < 0.47:
            piece = self.answer(link.protocol, self._speech)
            if piece is not None:
                self.say("stream 0", link, piece)
        elif choice < 0.48:
            # As if its reactor had not turned.
            handoff.protocol.takeBack()

    def _observeMessages(self) -> None:
        """
        Observe them, or one, or none for now.
        """
        self.cluster.off("message", self.application.receive)
        for _ in range(self.random.randrange(3)):
            how = self.random.choice((self.cluster.on, self.cluster.once))
            how("message", self.application.receive)

    def _accept(self, count: int) -> None:
        """
        Clients connect.
        """
        receiver: Any = self.port._receiver
        receiver.connectionsAccepted(
            [
                AcceptedConnection(number, number)
                for number in self.descriptors.new(count)
            ]
        )

    def _end(self, process: Any, link: Sink, query: Sink) -> None:
        """
        Its process ends; what the kernel tells first is chance.
        """
        handoff = process.worker.handoff
        steps = [link.lose, query.lose, process.exit]
        self.random.shuffle(steps)
        for step in steps:
            step()
        process.worker.finish()
        self.surroundings.clock.advance(1)
        for channel in (link.protocol, query.protocol, handoff.protocol):
            require(not channel._questions, "questions without an end")

    def _assertOthersServe(self) -> None:
        """
        The others go on, and nothing is left of the one that is gone.
        """
        self._accept(2)
        self._serve()
        files = self.surroundings.files
        files.close()
        files.received.clear()
        files.sent.clear()
        # Each open port has its descriptor, and the double the other end of it.
        expected = 2 * len(self.surroundings.opener.openPorts)
        require(
            len(self.descriptors.opened) == expected,
            f"{len(self.descriptors.opened)} descriptors are open, not {expected}",
        )
        require(len(self.cluster.workers) == 2, "workers that are none")

    def _serve(self) -> None:
        """
        The workers that behave take what there is, and finish it.
        """
        served = 0
        moved = True
        while moved:
            moved = False
            for peer in self.peers:
                peer.worker.deliver()
                while peer.worker.handedOff:
                    served += len(peer.worker.take())
                    moved = True
                for descriptor in peer.worker.served:
                    os.close(descriptor)
                peer.worker.served.clear()
        require(served >= 2, "the others do not serve")

    def close(self) -> None:
        """
        Everything ends.
        """
        for peer in self.peers:
            peer.end()
        self.surroundings.clock.advance(1)
        self.cluster._roster.shutDown()  # type: ignore[union-attr]
        for port in self.surroundings.opener.ports:
            require(not port.isOpen, "a port is open at the end")
        require(not self.descriptors.opened, "descriptors are open at the end")


@implementer(IBorrowedPort)
@define(eq=False)
class _Port:
    """
    A port of an application in the worker.
    """

    random: Random

    def takeConnections(
        self, descriptors: Sequence[int], insured: bool
    ) -> Sequence[int]:
        """
        Serve some, at once and to their end, and refuse some.
        """
        refused = [
            index for index in range(len(descriptors)) if self.random.random() < 0.3
        ]
        for index, descriptor in enumerate(descriptors):
            if index not in refused:
                os.close(descriptor)
        return refused


@implementer(IBlockingChannel)
class _Answers:
    """
    A query channel on which the fuzzer answers.
    """

    def __init__(self, said: Iterator[Piece], descriptors: CountingDescriptors) -> None:
        self._said = said
        self._descriptors = descriptors

    def exchange(self, data: bytes) -> tuple[bytes, list[int]]:
        """
        Whatever is next.
        """
        for piece in self._said:
            return piece.data, self._descriptors.new(piece.descriptors or 0)
        raise ChannelClosed("the primary is gone")


class BesiegedWorker(Besieged):
    """
    A worker whose primary does not behave.
    """

    def __init__(self, descriptors: CountingDescriptors, random: Random) -> None:
        super().__init__(descriptors, random)
        self.codec = codecNamed(random.choice(("json", "json", "advanced")))
        contents = contentsOf(random, self.codec)
        self._speech = Speech(random, [Turn, Leave, Shout], contents)
        self._pools = self._speech.pools(150)
        self._handoffs = Speech(random, [TakeConnections], contents)
        self._handoffPools = self._handoffs.pools(80)
        self.application = Application(random)

    def hostileStream(self) -> None:
        """
        A worker's life with such a primary.
        """
        self.said = []
        lost: list[bool] = []
        link = PrimaryLink(
            self.codec, self.application.mistake, lambda: lost.append(True)
        )
        sink = self.sink(link)
        handoffs = TakingLink()
        handoff = self.sink(handoffs)
        files = OpenFiles()
        correspondence = Correspondence(link, files, Clock())
        correspondence.answer(self.application.answer)
        correspondence.locators.add(self.application)
        if self.random.random() < 0.8:
            correspondence.receiveGroups(
                self.application.receiveSome, lambda: self.application.wantsMessages
            )
        for loan in range(3):
            handoffs.startTaking(loan, _Port(self.random))
        for _ in self.mutter("stream", [sink], self._speech, self._pools):
            self._meanwhile(correspondence, link, sink)
            self._takings(handoffs, handoff)
        pools = self._handoffPools
        for _ in self.mutter("handoff", [handoff], self._handoffs, pools):
            self._takings(handoffs, handoff)
        if self.random.random() < 0.5:
            correspondence.receive(self.application.receive)
        sink.lose()
        handoff.lose()
        require(lost == [True], f"lost {len(lost)} times")
        require(not link._questions, "questions without an end")
        self.boxes += sink.protocol._reader.count + handoff.protocol._reader.count
        files.close()
        self._query(PrimaryPorts(self._queries(link), handoffs))
        require(not self.descriptors.opened, "descriptors are open at the end")

    def _meanwhile(
        self, correspondence: Correspondence, link: PrimaryLink, sink: Sink
    ) -> None:
        """
        What the worker does while it listens.
        """
        choice = self.random.random()
        piece = None
        if choice < 0.05:
            self.chat(correspondence)
        elif choice < 0.08:
            self.application.wantsMessages = True
            correspondence.goOn()
        elif choice < 0.25:
            piece = self.confirm(link)
        elif choice < 0.35:
            piece = self.answer(link, self._speech)
        if piece is not None:
            self.say("stream 0", sink, piece)

    def _takings(self, handoffs: TakingLink, sink: Sink) -> None:
        """
        What its ports do, and what comes for them.
        """
        choice = self.random.random()
        if choice < 0.05:
            loan = self.random.randrange(3)
            handoffs.stopTaking(loan)
            handoffs.startTaking(loan, _Port(self.random))
        elif choice < 0.1:
            handoffs.touch(self.random.randrange(100))
        elif choice < 0.25:
            self.say("handoff 0", sink, self._connections())

    def _connections(self) -> Piece:
        """
        Connections whose descriptors are those that are meant, or some others.
        """
        count = self.random.choice((0, 1, 1, 2, 5))
        first = self.descriptors._last + 1
        inodes = [first + n + (self.random.random() < 0.05) for n in range(count)]
        arrived = max(0, count + self.random.choice((0, 0, 0, 0, -1, 1)))
        box = {
            amp.COMMAND: TakeConnections.commandName,
            amp.ASK: b"1",
            b"loan": b"%d" % self.random.randrange(4),
            b"inodes": b"".join(inode.to_bytes(8, "big") for inode in inodes),
            b"descriptors": b"%d" % count,
        }
        if self.random.random() < 0.2:
            box[b"insured"] = b"True"
        return Piece(serialize(box), arrived)

    def _queries(self, link: PrimaryLink) -> QueryClient:
        """
        A query channel with some answers, most of which fit.
        """
        pieces = []
        for number in range(1, 4):
            tag = b"%x" % (self.random.choice((number, number, number, 9)))
            pairs, count = self._speech.answer(tag, Listen)
            if self.random.random() < 0.2:
                pairs = self._speech._mutated(pairs)
            pieces.append(Piece(encode(pairs), count))
        if self.random.random() < 0.2:
            pieces = self._speech.garbled(pieces)
        self.said = [("query", piece) for piece in pieces]
        return QueryClient(_Answers(iter(pieces), self.descriptors))

    def _query(self, ports: PrimaryPorts) -> None:
        """
        Ask for ports.
        """
        for _ in range(3):
            self.boxes += 1
            try:
                loan = ports.borrow(REQUEST)
            except ListenRefused:
                continue
            os.close(loan.descriptor)
            ports.giveBack(loan)

    def close(self) -> None:
        """
        Nothing is left after each stream already.
        """
