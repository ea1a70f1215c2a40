"""
Tests of L{twisted_cluster._primary.workerpipes}.
"""

from __future__ import annotations

from typing import cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProcessTransport, ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._primary.workeroutput import OutputStream
from twisted_cluster._primary.workerpipes import WorkerPipes


class PipedProcess:
    """
    The standard input of a process, as Twisted's process transport has it.

    @ivar asked: What was asked of it, in order.
    @ivar lost: The pipes that the process has closed.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.lost: set[int] = set()

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        Write, also if the pipe is to be closed.

        @raise KeyError: if it is.
        """
        if childFD in self.lost:
            raise KeyError(childFD)
        self.asked.append((childFD, data))

    def closeChildFD(self, descriptor: int) -> None:
        """
        Close the pipe.
        """
        self.asked.append(("end", descriptor))


class HalfClosing(StringTransport):
    """
    A connection in memory.

    @ivar isHalfClosed: Whether nothing more is written.
    """

    isHalfClosed = False

    def loseWriteConnection(self) -> None:
        """
        Write nothing more.
        """
        self.isHalfClosed = True


class WorkerPipesTests(SynchronousTestCase):
    """
    Tests of L{WorkerPipes}.
    """

    def setUp(self) -> None:
        """
        Have the pipes of a process, two of which it writes into.
        """
        self.read: list[object] = []
        self.output = {number: OutputStream() for number in (1, 4)}
        for number, stream in self.output.items():
            stream.on("data", lambda data, number=number: self.note(number, data))
            stream.on("end", lambda number=number: self.note(number, "end"))
        self.process = PipedProcess()
        self.other = HalfClosing()
        self.pipes = WorkerPipes(self.output)
        self.pipes.process = cast("IProcessTransport", self.process)
        self.pipes.others = {4: cast("ITCPTransport", self.other)}

    def note(self, *happening: object) -> None:
        """
        Keep what was read.
        """
        self.read.append(happening)

    def test_standardInput(self) -> None:
        """
        The usual pipes are the process's; one that is closed is nothing to write
        to, and no mistake, whoever has closed it.
        """
        self.pipes.write(0, b"one")
        self.pipes.close(0)
        self.pipes.write(0, b"two")
        self.assertEqual(self.process.asked, [(0, b"one"), ("end", 0)])
        for descriptor in (1, 2):
            # These are only read, and must be to their end.
            self.pipes.close(descriptor)
        self.process.lost.add(3)
        self.pipes.write(3, b"one")
        self.assertEqual(len(self.process.asked), 2)

    def test_others(self) -> None:
        """
        Those behind them are connections, of which our half is closed.
        """
        self.pipes.write(4, b"one")
        self.pipes.close(4)
        self.pipes.write(4, b"two")
        self.assertEqual((self.other.value(), self.other.isHalfClosed), (b"one", True))
        self.assertEqual(self.process.asked, [])

    def test_noProcess(self) -> None:
        """
        Before there is a process there is nothing to write to, and nothing to close.
        """
        pipes = WorkerPipes({})
        pipes.write(0, b"one")
        pipes.close(0)
        pipes.process = cast("IProcessTransport", self.process)
        self.assertEqual(self.process.asked, [])

    def test_output(self) -> None:
        """
        What the worker writes, and the end of it, goes where it was said to go.
        """
        self.pipes.received(1, b"one")
        self.pipes.received(4, b"two")
        self.pipes.lost(1)
        self.assertEqual(self.read, [(1, b"one"), (4, b"two"), (1, "end")])
        self.failureResultOf(self.output[1].when("data"), ConnectionDone)
        self.assertNoResult(self.output[4].when("data"))

    def test_lost(self) -> None:
        """
        A pipe beyond standard error that the worker closed is not written to.
        """
        self.pipes.lost(4)
        self.pipes.write(4, b"one")
        self.assertEqual((self.read, self.other.value()), ([(4, "end")], b""))

    def test_lostInput(self) -> None:
        """
        A pipe that the worker only reads has no end to tell of.
        """
        self.pipes.lost(0)
        self.assertEqual(self.read, [])
