"""
Tests of L{twisted_cluster.workerapi}.

What a worker does is tested on each side: C{_primary/test_forkedworker.py} and
C{_worker/test_thisworker.py}.
"""

from __future__ import annotations

import inspect
import signal
from typing import Any
from unittest import TestCase

from twisted_cluster._primary.forkedworker import ForkedProcess, ForkedWorker
from twisted_cluster._worker.thisworker import ThisProcess, ThisWorker
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.observing import Emitter
from twisted_cluster.workerapi import (
    Worker,
    WorkerProcess,
    WorkerStream,
    byDescriptor,
    signalNumber,
)


def stream() -> WorkerStream:
    """
    Any stream.
    """
    return WorkerStream(Emitter(("data", "end")), lambda data: None, lambda: None)


class SignalTests(TestCase):
    """
    Tests of L{signalNumber}.
    """

    def test_known(self) -> None:
        """
        A signal has a name, with or without its beginning, and a number.
        """
        for name in ("SIGHUP", "HUP", 1, signal.SIGHUP):
            self.assertEqual(signalNumber(name), signal.SIGHUP)

    def test_withoutName(self) -> None:
        """
        Most real-time signals have no name, and 0 is none, but can be sent.
        """
        for number in (0, signal.SIGRTMIN + 1):
            self.assertEqual(signalNumber(number), number)

    def test_unknown(self) -> None:
        """
        What is none is told.
        """
        nonsense: list[Any] = ["SIGMISS", "", "HUP ", "1", 1000, -1, None, 2.5, []]
        for name in nonsense:
            with self.assertRaisesRegex(ConfigurationError, "there is no signal"):
                signalNumber(name)


class StreamTests(TestCase):
    """
    Tests of L{WorkerStream} and L{byDescriptor}.
    """

    def test_places(self) -> None:
        """
        Each stream has the place of its descriptor, and at least the standard ones
        have a place.
        """
        one, other = stream(), stream()
        self.assertEqual(byDescriptor({}), (None, None, None))
        self.assertEqual(byDescriptor({1: one}), (None, one, None))
        self.assertEqual(
            byDescriptor({0: one, 4: other}), (one, None, None, None, other)
        )

    def test_parts(self) -> None:
        """
        Its events are its events, and writing is done by what it was given.
        """
        events = Emitter(("data", "end"))
        done: list[object] = []
        both = WorkerStream(events, done.append, lambda: done.append("end"))
        observer = both.on("data", done.append)
        both.once("end", lambda: done.append("ended"))
        events.emit("data", b"one")
        both.off("data", observer)
        events.emit("data", b"two")
        events.emit("end")
        both.write(b"three")
        both.end()
        self.assertEqual(done, [b"one", "ended", b"three", "end"])


class ShapeTests(TestCase):
    """
    What a program can say of a worker, it can say on both sides.
    """

    def assertSameShape(self, shape: type, side: type) -> None:
        """
        Whatever is public in the shape is there on this side, and takes the same
        arguments.
        """
        self.assertTrue(issubclass(side, shape))
        self.assertEqual(inspect.isabstract(side), False)
        for name in filter(lambda name: name[0] != "_", dir(shape)):
            ours, theirs = getattr(shape, name), getattr(side, name)
            if inspect.isfunction(ours):
                self.assertEqual(
                    inspect.signature(ours), inspect.signature(theirs), name
                )

    def test_sides(self) -> None:
        """
        Both sides' workers and processes have the shape.
        """
        self.assertSameShape(Worker, ForkedWorker)
        self.assertSameShape(Worker, ThisWorker)
        self.assertSameShape(WorkerProcess, ForkedProcess)
        self.assertSameShape(WorkerProcess, ThisProcess)
