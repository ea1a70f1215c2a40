"""
Tests of L{twisted_cluster._reactor.ownpipe}.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from threading import Thread

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.unit.realreactor import RealReactorTestCase
from twisted_cluster._reactor import ownpipe
from twisted_cluster._reactor.ownpipe import OwnPipe, ownStream


class OwnPipeTests(RealReactorTestCase):
    """
    Tests of L{OwnPipe}.
    """

    def pipe(self) -> tuple[int, int]:
        """
        A pipe, which is closed after the test.
        """
        pair = os.pipe()
        for end in pair:
            self.addCleanup(self._closeIfOpen, end)
        return pair

    def _closeIfOpen(self, descriptor: int) -> None:
        """
        The test may have closed it.
        """
        try:
            os.close(descriptor)
        except OSError:
            return

    def observed(self, descriptor: int) -> tuple[OwnPipe, list[object]]:
        """
        A pipe, and what it tells.
        """
        told: list[object] = []
        pipe = OwnPipe(self.reactor, descriptor)
        pipe.on("data", told.append)
        pipe.on("end", lambda: told.append("end"))
        return pipe, told

    def test_interface(self) -> None:
        """
        It is what a reactor reads.
        """
        pipe = OwnPipe(self.reactor, self.pipe()[0])
        verifyObject(IReadDescriptor, pipe)
        self.assertEqual(pipe.logPrefix(), f"descriptor {pipe.fileno()}")

    def test_reads(self) -> None:
        """
        What comes is told, and the end, once.
        """
        reading, writing = self.pipe()
        pipe, told = self.observed(reading)
        os.write(writing, b"hello")
        self.turnUntil(lambda: told)
        os.close(writing)
        self.turnUntil(lambda: len(told) == 2)
        self.turn()
        self.assertEqual(told, [b"hello", "end"])
        self.failureResultOf(pipe.when("data"), ConnectionDone)

    def test_unobserved(self) -> None:
        """
        What nobody observes is the program's to read, which finds the descriptor
        as it was.
        """
        reading, writing = self.pipe()
        OwnPipe(self.reactor, reading)
        os.write(writing, b"hello")
        self.turn()
        self.assertTrue(os.get_blocking(reading))
        self.assertEqual(os.read(reading, 100), b"hello")

    def test_keepsNothing(self) -> None:
        """
        It is none of the descriptors that the application's reactor waits for.
        """
        pipe, told = self.observed(self.pipe()[0])
        self.assertNotIn(pipe, self.reactor.removeAll())
        self.assertIn(pipe, self.reactor.getReaders())
        pipe.connectionLost(Failure(CONNECTION_LOST))
        self.assertNotIn(pipe, self.reactor.getReaders())
        self.assertEqual(told, ["end"])

    def test_writes(self) -> None:
        """
        What is written arrives whole, however little room there is, and waits for
        it; nothing happens when nobody reads.
        """
        reading, writing = self.pipe()
        pipe = OwnPipe(self.reactor, writing)
        pieces: list[int] = []

        def write(descriptor: int, data: memoryview) -> int:
            pieces.append(len(data))
            return os.write(descriptor, data[:40])

        # As the kernel does with a signal's help.
        self.patch(ownpipe, "os", _Patched(write=write))
        pipe.write(b"x" * 100)
        self.assertEqual(os.read(reading, 1000), b"x" * 100)
        self.assertEqual(pieces, [100, 60, 20])
        os.close(reading)
        pipe.write(b"late")
        self.assertEqual(pieces, [100, 60, 20, 4])

    def test_writesNonBlocking(self) -> None:
        """
        So does what is written where the program has made it so that nothing waits.
        """
        reading, writing = self.pipe()
        os.set_blocking(writing, False)
        data = os.urandom(1_000_000)
        read: list[bytes] = []

        def readAll() -> None:
            while sum(map(len, read)) < len(data):
                read.append(os.read(reading, 65536))

        thread = Thread(target=readAll)
        thread.start()
        OwnPipe(self.reactor, writing).write(data)
        thread.join()
        self.assertTrue(b"".join(read) == data)

    def test_printed(self) -> None:
        """
        What was printed before comes first.
        """
        reading, writing = self.pipe()
        kept = os.dup(1)
        self.addCleanup(os.close, kept)
        self.addCleanup(os.dup2, kept, 1)
        os.dup2(writing, 1)
        self.patch(sys, "stdout", io.TextIOWrapper(io.FileIO(1, "w", closefd=False)))
        sys.stdout.write("first\n")
        OwnPipe(self.reactor, 1).write(b"second")
        self.assertEqual(os.read(reading, 100), b"first\nsecond")

    def test_endsOutput(self) -> None:
        """
        A standard stream that is ended leaves its number taken, so that what is
        printed later goes nowhere.
        """
        reading, writing = self.pipe()
        kept = os.dup(1)
        self.addCleanup(os.close, kept)
        self.addCleanup(os.dup2, kept, 1)
        os.dup2(writing, 1)
        os.close(writing)
        pipe = OwnPipe(self.reactor, 1)
        pipe.write(b"last")
        pipe.end()
        pipe.end()
        pipe.write(b"late")
        self.assertEqual(os.read(reading, 100), b"last")
        self.assertEqual(os.read(reading, 100), b"")
        os.fstat(1)

    def test_endsInput(self) -> None:
        """
        Where there is only something to read, ending changes nothing.
        """
        reading, writing = self.pipe()
        pipe = OwnPipe(self.reactor, reading)
        pipe.end()
        pipe.write(b"nowhere")
        os.write(writing, b"hello")
        self.assertEqual(os.read(reading, 100), b"hello")

    def test_bothWays(self) -> None:
        """
        A pipe that leads both ways is ended one way, and still read.
        """
        ours, theirs = self.socketPair()
        pipe, told = self.observed(ours.fileno())
        pipe.write(b"question")
        pipe.end()
        self.assertEqual(theirs.recv(100), b"question")
        self.assertEqual(theirs.recv(100), b"")
        theirs.sendall(b"answer")
        theirs.shutdown(socket.SHUT_WR)
        self.turnUntil(lambda: "end" in told)
        self.assertEqual(told, [b"answer", "end"])

    def test_stream(self) -> None:
        """
        A worker's program has it as the primary has the other end.
        """
        ours, theirs = self.socketPair()
        stream = ownStream(self.reactor, ours.fileno())
        told: list[object] = []
        stream.once("data", told.append)
        theirs.sendall(b"hello")
        self.turnUntil(lambda: told)
        stream.write(b"back")
        stream.end()
        self.assertEqual(theirs.recv(100), b"back")
        self.assertEqual(theirs.recv(100), b"")
        self.assertEqual(told, [b"hello"])


class _Patched:
    """
    The module C{os}, with another function.
    """

    def __init__(self, **functions: object) -> None:
        vars(self).update(functions)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)
