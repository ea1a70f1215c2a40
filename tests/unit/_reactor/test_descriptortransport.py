"""
Tests of L{twisted_cluster._reactor.descriptortransport}.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from tests.unit.realreactor import DescriptorsCountedTestCase, RealReactorTestCase
from tests.unit.testing.descriptortransports import (
    DescriptorTransportContract,
    Recorder,
    inode,
)
from twisted_cluster._reactor import descriptortransport
from twisted_cluster._reactor.descriptortransport import (
    RETRY_DELAY,
    DescriptorTransport,
    receive,
)


class DescriptorTransportContractTests(
    RealReactorTestCase, DescriptorTransportContract
):
    """
    The transport behaves as the one in memory does.
    """

    def connect(self, first: Recorder, second: Recorder) -> None:
        """
        Connect them by a real socket pair.
        """
        for end, protocol in zip(self.socketPair(), (first, second), strict=True):
            transport = DescriptorTransport(self.reactor, end, protocol)
            transport.open()
            self.addCleanup(transport.connectionLost, Failure(ConnectionDone()))

    def moveUntil(self, condition: Callable[[], object]) -> None:
        """
        Let the reactor turn.
        """
        self.turnUntil(condition)


del DescriptorTransportContract


class TroubledSocket:
    """
    A socket on which system calls fail when the test says so.

    @ivar troubles: What the next calls that send raise; C{None} lets one work.
    @ivar limit: How many bytes one call sends at most.
    @ivar sent: What each call sent: bytes, and how many descriptors.
    """

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.troubles: list[Exception | None] = []
        self.readTrouble: OSError | None = None
        self.limit = 1 << 20
        self.sent: list[tuple[bytes, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def send(self, data: bytes) -> int:
        """
        As the real one.
        """
        return self._send([data], [])

    def sendmsg(self, data: list[bytes], ancillary: list[Any]) -> int:
        """
        As the real one.
        """
        return self._send(data, ancillary)

    def _send(self, data: list[bytes], ancillary: list[Any]) -> int:
        """
        Fail, or send as much as is allowed.
        """
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is not None:
            raise trouble
        piece = b"".join(data)[: self.limit]
        self.sent.append((piece, sum(len(rights) for _, _, rights in ancillary)))
        return self._real.sendmsg([piece], ancillary)

    def recvmsg(self, *arguments: int) -> Any:
        """
        Fail, or read.
        """
        if self.readTrouble is not None:
            raise self.readTrouble
        return self._real.recvmsg(*arguments)


class TroubleTests(DescriptorsCountedTestCase):
    """
    What a transport does when the kernel does not do what it was asked to.  The
    reactor is in memory, so that the tests see what is asked of it.
    """

    def setUp(self) -> None:
        """
        Connect a transport to a socket that the test reads and writes.
        """
        super().setUp()
        ours, self.other = self.socketPair()
        self.socket = TroubledSocket(ours)
        self.reactor = MemoryReactorClock()
        self.protocol = Recorder()
        self.transport = DescriptorTransport(
            self.reactor,
            self.socket,  # type: ignore[arg-type]
            self.protocol,
        )
        self.transport.open()
        self.addCleanup(self.protocol.closeAll)

    def received(self) -> tuple[bytes, int]:
        """
        What the other end gets at once: bytes, and how many descriptors.
        """
        data, group = receive(self.other)
        for descriptor in group or ():
            os.close(descriptor)
        return data, len(group or ())

    def isWriting(self) -> bool:
        """
        Whether the reactor is to tell when the socket has room.
        """
        return self.transport in self.reactor.writers

    def lost(self) -> type[BaseException] | None:
        """
        Why the protocol was told that its connection is lost, if it was.
        """
        self.assertLessEqual(len(self.protocol.reasons), 1)
        return self.protocol.reasons[0].type if self.protocol.reasons else None

    def test_idle(self) -> None:
        """
        An open transport reads, and writes at once without asking the reactor.
        """
        self.assertIn(self.transport, self.reactor.readers)
        self.assertIs(self.protocol.transport, self.transport)
        self.assertEqual(self.transport.fileno(), self.socket.fileno())
        self.transport.write(b"x")
        self.assertEqual(self.received(), (b"x", 0))
        self.assertFalse(self.isWriting())

    def test_logPrefix(self) -> None:
        """
        What is logged meanwhile belongs to the protocol.
        """
        self.assertEqual(self.transport.logPrefix(), "Recorder")

    def test_partly(self) -> None:
        """
        When the kernel takes a part only, the descriptors go with the first
        byte, and not again with the rest.
        """
        self.socket.limit = 3
        self.transport.writeWithDescriptors(b"abcdefgh", [self.aDescriptor()])
        self.assertEqual(self.socket.sent, [(b"abc", 1), (b"def", 0), (b"gh", 0)])

    def test_pieces(self) -> None:
        """
        Pieces are sent together.  When the kernel takes a part only, the rest goes
        on in the middle of a piece, and nothing is lost or sent twice.
        """
        pieces: list[bytes | memoryview]
        pieces = [b"ab", b"", b"cdef", memoryview(b"ghi"), b"j"]
        self.transport.writeSequence(pieces)
        self.assertEqual(self.socket.sent, [(b"abcdefghij", 0)])
        self.socket.sent.clear()
        self.socket.limit = 3
        self.transport.writeSequence(pieces)
        self.assertEqual(
            [data for data, _ in self.socket.sent], [b"abc", b"def", b"ghi", b"j"]
        )

    def test_manyPieces(self) -> None:
        """
        More pieces than the kernel takes at once are sent one after the other.
        """
        pieces = [b"%d," % number for number in range(3000)]
        self.transport.writeSequence(pieces)
        self.assertEqual(
            b"".join(data for data, _ in self.socket.sent), b"".join(pieces)
        )
        self.assertGreater(len(self.socket.sent), 1)

    def test_nothingInPieces(self) -> None:
        """
        No pieces, or empty ones, are nothing to write.
        """
        self.transport.writeSequence([])
        self.transport.writeSequence([b"", b""])
        self.transport.write(b"x")
        self.assertEqual(self.received(), (b"x", 0))
        self.assertFalse(self.isWriting())

    def test_full(self) -> None:
        """
        When the kernel has no room, everything waits in order, descriptors
        with their bytes, until the reactor says that there is room.
        """
        for trouble in (BlockingIOError(), InterruptedError()):
            self.socket.troubles = [trouble]
            self.transport.writeWithDescriptors(b"first", [self.aDescriptor()])
            self.transport.write(b"second")
            self.assertTrue(self.isWriting())
            self.assertIsNone(self.transport.doWrite())
            self.assertFalse(self.isWriting())
            self.assertEqual(self.received(), (b"first", 1))
            self.assertEqual(self.received(), (b"second", 0))

    def test_closedWhileItWaits(self) -> None:
        """
        A descriptor that was closed before there was room for it is not sent, nor
        what has its number by then: the other side gets nothing at all, as it must
        have said that it had it already.
        """
        for reuse in (True, False):
            self.socket.troubles = [BlockingIOError()]
            given, others = self.socketPair()
            number = given.fileno()
            self.transport.write(b"first")
            self.transport.writeWithDescriptors(b"second", [number])
            given.close()
            if reuse:
                self.assertEqual(os.dup(others.fileno()), number)
                self.addCleanup(os.close, number)
            with capturedLogs() as events:
                self.assertIsInstance(self.transport.doWrite(), ConnectionLost)
            self.assertEqual(len(events), 1)
            self.assertEqual(self.socket.sent, [(b"first", 0)])
            self.transport._forget()
            self.socket.sent.clear()

    def test_fullAgain(self) -> None:
        """
        The reactor goes on telling while something waits.
        """
        self.socket.troubles = [BlockingIOError()]
        self.transport.write(b"first")
        self.socket.troubles = [BlockingIOError()]
        self.assertIsNone(self.transport.doWrite())
        self.assertTrue(self.isWriting())

    def test_closeWhenFull(self) -> None:
        """
        A transport that is asked to close does so when all is written.
        """
        self.socket.troubles = [BlockingIOError(), BlockingIOError()]
        self.transport.write(b"first")
        self.transport.loseConnection()
        self.assertNotIn(self.transport, self.reactor.readers)
        self.assertIsNone(self.transport.doWrite())
        reason = self.transport.doWrite()
        self.assertIsInstance(reason, ConnectionDone)
        self.assertEqual(self.received(), (b"first", 0))

    def test_abortUnread(self) -> None:
        """
        Aborting does not wait for an end that never reads, nor for a timer.
        """
        for trouble in (BlockingIOError(), OSError(errno.ENOBUFS, "later")):
            self.socket.troubles = [trouble]
            self.transport.write(b"first")
        self.transport.abortConnection()
        self.assertNotIn(self.transport, self.reactor.readers)
        self.assertFalse(self.isWriting())
        self.assertIsNone(self.lost())
        self.reactor.advance(0)
        self.assertIs(self.lost(), ConnectionLost)
        self.reactor.advance(RETRY_DELAY)
        self.assertEqual(self.socket.sent, [])

    def test_later(self) -> None:
        """
        What the kernel has no memory for, or too many descriptors on their way,
        is tried again after a while: no event announces that it can.
        """
        for number in (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM):
            self.socket.troubles = [OSError(number, "later")]
            self.transport.writeWithDescriptors(b"first", [self.aDescriptor()])
            self.transport.write(b"second")
            self.assertFalse(self.isWriting())
            self.reactor.advance(RETRY_DELAY)
            self.assertTrue(self.isWriting())
            self.assertIsNone(self.transport.doWrite())
            self.assertEqual(self.received(), (b"first", 1))
            self.assertEqual(self.received(), (b"second", 0))
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_laterByMistake(self) -> None:
        """
        What could not be sent because the caller has made a mistake, as by using up
        the stack, is sent later; what comes behind it waits.
        """
        self.socket.troubles = [RecursionError()]
        self.assertRaises(RecursionError, self.transport.write, b"first")
        self.transport.write(b"second")
        self.assertTrue(self.isWriting())
        self.assertIsNone(self.transport.doWrite())
        self.assertEqual(self.received(), (b"firstsecond", 0))

    def test_laterSaid(self) -> None:
        """
        That it is tried again is said once, until everything is sent.
        """
        for _ in range(2):
            troubles = [OSError(errno.ENOBUFS, "no room")] * 3
            self.socket.troubles = [*troubles]
            with capturedLogs() as events:
                self.transport.write(b"x")
                for _ in troubles:
                    self.reactor.advance(RETRY_DELAY)
                    self.assertIsNone(self.transport.doWrite())
            self.assertEqual(self.received(), (b"x", 0))
            [event] = events
            self.assertIn("cannot be sent at present", formatEvent(event))
            self.assertIn("no room", formatEvent(event))

    def test_laterOnce(self) -> None:
        """
        There is one timer, also if somebody else makes the transport try.
        """
        trouble = OSError(errno.ETOOMANYREFS, "later")
        self.socket.troubles = [trouble, trouble]
        self.transport.write(b"first")
        self.transport.loseConnection()
        self.assertIsNone(self.transport.doWrite())
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        self.reactor.advance(RETRY_DELAY)
        self.assertIsInstance(self.transport.doWrite(), ConnectionDone)
        self.assertEqual(self.received(), (b"first", 0))

    def test_laterIsTooLate(self) -> None:
        """
        The timer finds out that the connection is lost, and does nothing.
        """
        self.socket.troubles = [OSError(errno.ETOOMANYREFS, "later")]
        self.transport.write(b"first")
        self.transport.connectionLost(Failure(ConnectionLost()))
        self.reactor.advance(RETRY_DELAY)
        self.assertFalse(self.isWriting())

    def test_writeFails(self) -> None:
        """
        Any other error loses the connection; the protocol, which may be the one
        that writes, is told a little later.
        """
        self.socket.troubles = [OSError(errno.EBADF, "gone")]
        self.transport.write(b"first")
        self.transport.write(b"second")
        self.assertIsNone(self.lost())
        self.reactor.advance(0)
        self.assertEqual(self.lost(), ConnectionLost)
        self.assertEqual(self.socket.fileno(), -1)

    def test_writeFailsLater(self) -> None:
        """
        If the reactor was asked to write, it is the one that is told.
        """
        self.socket.troubles = [BlockingIOError(), OSError(errno.EBADF, "gone")]
        self.transport.write(b"first")
        self.assertIsInstance(self.transport.doWrite(), ConnectionLost)

    def test_lostOnce(self) -> None:
        """
        A connection that is lost twice is reported once.
        """
        self.socket.troubles = [OSError(errno.EBADF, "gone")]
        self.transport.write(b"first")
        self.transport.connectionLost(Failure(ConnectionDone()))
        self.reactor.advance(0)
        self.transport.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.lost(), ConnectionDone)

    def test_lastWords(self) -> None:
        """
        What the other end wrote before it closed is read, even if a write has
        found out first that it is closed.
        """
        self.other.sendall(b"last words")
        self.other.close()
        self.transport.write(b"unheard")
        self.transport.write(b"unheard too")
        self.reactor.advance(0)
        self.assertIsNone(self.lost())
        self.assertIsNone(self.transport.doRead())
        self.assertEqual(self.protocol.data, b"last words")
        self.assertIsInstance(self.transport.doRead(), ConnectionDone)
        self.assertEqual(self.socket.sent, [(b"unheard", 0)])

    def test_lastWordsWhileFull(self) -> None:
        """
        So it is when something was waiting to be written.
        """
        self.socket.troubles = [BlockingIOError()]
        self.transport.write(b"unheard")
        self.other.sendall(b"last words")
        self.other.close()
        self.assertIsNone(self.transport.doWrite())
        self.assertFalse(self.isWriting())
        self.assertIsNone(self.transport.doRead())
        self.assertEqual(self.protocol.data, b"last words")

    def test_lastWordsUnwanted(self) -> None:
        """
        A transport that is closing anyway does not wait for them.
        """
        self.socket.troubles = [BlockingIOError()]
        self.transport.write(b"unheard")
        self.transport.loseConnection()
        self.other.close()
        self.assertIsInstance(self.transport.doWrite(), ConnectionLost)

    def test_nothingToRead(self) -> None:
        """
        When there is nothing to read after all, nothing happens.
        """
        self.assertIsNone(self.transport.doRead())
        self.socket.readTrouble = InterruptedError()
        self.assertIsNone(self.transport.doRead())
        self.assertEqual(self.protocol.chunks, [])

    def test_readFails(self) -> None:
        """
        An error when reading loses the connection.
        """
        self.socket.readTrouble = ConnectionResetError()
        self.assertIsInstance(self.transport.doRead(), ConnectionLost)

    def test_readToTheEndLost(self) -> None:
        """
        A protocol whose transport is lost while it is given what was left is not
        given more.
        """

        def dataReceived(data: bytes) -> None:
            self.protocol.chunks.append(len(data))
            self.transport.connectionLost(Failure(ConnectionLost()))

        self.patch(self.protocol, "dataReceived", dataReceived)
        # A group ends what is read at once.
        socket.send_fds(self.other, [b"first"], [self.aDescriptor()])
        self.other.sendall(b"second")
        self.transport.readToTheEnd()
        self.assertEqual(self.protocol.chunks, [5])
        self.assertEqual(self.lost(), ConnectionLost)

    def test_readToTheEndFails(self) -> None:
        """
        An error when reading, also one of somebody else who read it all, ends it;
        the former loses the connection.
        """
        self.other.sendall(b"x")
        self.socket.readTrouble = InterruptedError()
        self.transport.readToTheEnd()
        self.assertIsNone(self.lost())
        self.socket.readTrouble = ConnectionResetError()
        self.transport.readToTheEnd()
        self.assertEqual(self.lost(), ConnectionLost)

    def test_readToTheEndRaises(self) -> None:
        """
        A protocol that fails loses its connection, as it does if the reactor gives
        it something, and whoever asked is not harmed.
        """

        def dataReceived(data: bytes) -> None:
            raise ZeroDivisionError

        self.patch(self.protocol, "dataReceived", dataReceived)
        self.other.sendall(b"x" * 100_000)
        self.transport.readToTheEnd()
        self.assertEqual(self.lost(), ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_readToTheEndOfTheEndless(self) -> None:
        """
        What is written meanwhile is left to the reactor: another process may have
        the other end, too, and never stop.
        """

        def dataReceived(data: bytes) -> None:
            self.protocol.chunks.append(len(data))
            if len(self.protocol.chunks) < 1000:
                self.other.send(b"more")

        self.patch(self.protocol, "dataReceived", dataReceived)
        self.other.sendall(b"first")
        self.transport.readToTheEnd()
        self.assertEqual(self.protocol.chunks, [5])
        self.assertIsNone(self.transport.doRead())
        self.assertEqual(self.protocol.chunks, [5, 4])

    def test_unsentIsDropped(self) -> None:
        """
        What waits when the connection is lost is forgotten.
        """
        self.socket.troubles = [BlockingIOError()]
        self.transport.write(b"first")
        self.transport.connectionLost(Failure(ConnectionLost()))
        self.assertFalse(self.transport._waiting)
        self.assertNotIn(self.transport, self.reactor.readers)
        self.assertFalse(self.isWriting())


WITHOUT_ROOM = """
import os, resource, socket, sys
from array import array
from twisted_cluster._reactor.descriptortransport import receive

room = int(sys.argv[1])
ours, theirs = socket.socketpair()
descriptors = array("i", [0] * 5)
theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
theirs.send(b"y")
# Numbers below the limit that are free; the lowest one is where a new one goes.
free = os.dup(0)
os.close(free)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (free + room, hard))
data, group = receive(ours)
for descriptor in group:
    os.close(descriptor)
print(data, len(group), receive(ours))
"""


class ReceiveTests(DescriptorsCountedTestCase):
    """
    Tests of L{receive}.
    """

    def test_nothingSent(self) -> None:
        """
        Bytes without descriptors have no group, which is not an empty one.
        """
        ours, theirs = self.socketPair()
        theirs.sendall(b"x")
        self.assertEqual(receive(ours), (b"x", None))

    def test_noFlag(self) -> None:
        """
        Where the kernel cannot mark descriptors as close-on-exec when they
        arrive, they are marked afterwards.
        """
        self.patch(descriptortransport, "_RECEIVE_FLAGS", 0)
        ours, theirs = self.socketPair()
        sent = self.aDescriptor()
        socket.send_fds(theirs, [b"x"], [sent])
        data, group = receive(ours)
        assert group is not None
        [descriptor] = group
        self.addCleanup(os.close, descriptor)
        self.assertEqual((data, inode(descriptor)), (b"x", inode(sent)))
        self.assertFalse(os.get_inheritable(descriptor))

    def test_otherAncillaryData(self) -> None:
        """
        What is no descriptor is no group: here the sender's credentials.
        """
        ours, theirs = self.socketPair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        theirs.sendall(b"x")
        self.assertEqual(receive(ours), (b"x", None))

    if not hasattr(socket, "SO_PASSCRED"):
        test_otherAncillaryData.skip = "no credentials"  # type: ignore[attr-defined]

    def withRoomFor(self, count: int) -> str:
        """
        What a process gets that has room for so many more descriptors.
        """
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_ROOM, str(count)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        ).stdout.strip()

    def test_noRoom(self) -> None:
        """
        A process that has no room left for a descriptor gets an empty group,
        and can tell it from none.  The bytes come all the same.
        """
        self.assertEqual(self.withRoomFor(0), "b'x' 0 (b'y', None)")

    def test_littleRoom(self) -> None:
        """
        One that has some room gets as many as there is room for.
        """
        self.assertEqual(self.withRoomFor(2), "b'x' 2 (b'y', None)")
