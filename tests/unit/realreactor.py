"""
Unit tests of code whose purpose is the kernel: they have a reactor of their
own, which turns only while a test waits for something, and they count their
descriptors.
"""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Callable

from twisted.internet.pollreactor import PollReactor
from twisted.trial.unittest import SynchronousTestCase

PATIENCE = 10.0
"""
Seconds after which what a test waits for is not going to happen.
"""


def openDescriptors() -> set[int]:
    """
    The descriptors that this process has open.
    """
    listed = {int(name) for name in os.listdir("/dev/fd")}
    return {descriptor for descriptor in listed if _isOpen(descriptor)}


def _isOpen(descriptor: int) -> bool:
    """
    Leave out the one with which the directory was read.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


class DescriptorsCountedTestCase(SynchronousTestCase):
    """
    A test that fails if it leaves descriptors open, or closes others.
    """

    def setUp(self) -> None:
        """
        Look at what is open.
        """
        super().setUp()
        # First in, last out: after every other cleanup.
        self.addCleanup(self._compare, openDescriptors())

    def _compare(self, before: set[int]) -> None:
        """
        The same descriptors are open as before.
        """
        gc.collect()
        self.assertEqual(openDescriptors(), before)

    def socketPair(self) -> tuple[socket.socket, socket.socket]:
        """
        Two connected sockets, which are closed after the test if they are not
        before.
        """
        pair = socket.socketpair()
        for end in pair:
            self.addCleanup(end.close)
        return pair

    def aDescriptor(self) -> int:
        """
        A descriptor that is open until the end of the test.
        """
        descriptor, other = os.pipe()
        os.close(other)
        self.addCleanup(os.close, descriptor)
        return descriptor


class RealReactorTestCase(DescriptorsCountedTestCase):
    """
    A test with a real reactor, which is not the global one.

    @ivar reactor: It turns in L{turnUntil} only.
    """

    def setUp(self) -> None:
        """
        Make the reactor.
        """
        super().setUp()
        self.reactor = PollReactor()
        self.addCleanup(self._closeReactor)

    def _closeReactor(self) -> None:
        """
        Close what the reactor has for itself.
        """
        for reader in list(self.reactor._internalReaders):
            reader.connectionLost(None)

    def turnUntil(self, condition: Callable[[], object]) -> None:
        """
        Let the reactor turn until something is the case.
        """
        giveUp = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), giveUp, "it never happened")
            self.reactor.iterate(0.01)

    def turn(self) -> None:
        """
        Let the reactor do what there is to do right now.
        """
        for _ in range(3):
            self.reactor.iterate(0)
