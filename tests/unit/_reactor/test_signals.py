"""
Tests of L{twisted_cluster._reactor.signals}.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from threading import Thread

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._reactor.signals import SAME_REQUEST, whenAskedAgain

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class SignalledClock(Clock):
    """
    As much of a reactor as is needed.
    """

    def callFromThread(self, called: Callable[[], None]) -> None:
        """
        In its next turn.
        """
        self.callLater(0, called)


class WhenAskedAgainTests(SynchronousTestCase):
    """
    Tests of L{whenAskedAgain}.
    """

    def setUp(self) -> None:
        """
        Have handlers such as a running reactor has.
        """
        self.first: list[int] = []
        self.again: list[None] = []
        self.reactor = SignalledClock()
        for number in SIGNALS:
            before = signal.signal(number, lambda number, _: self.first.append(number))
            self.addCleanup(signal.signal, number, before)

    def ask(self) -> Callable[[], None]:
        """
        Begin to listen for more.
        """
        return whenAskedAgain(self.reactor, lambda: self.again.append(None))

    def test_again(self) -> None:
        """
        Either signal calls, in the reactor's next turn, and each time; the
        reactor's own handlers are not called any more.
        """
        self.ask()
        self.reactor.advance(SAME_REQUEST)
        for count, number in enumerate(SIGNALS):
            os.kill(os.getpid(), number)
            self.assertEqual(len(self.again), count)
            self.reactor.advance(0)
            self.assertEqual(len(self.again), count + 1)
        self.assertEqual(self.first, [])

    def test_same(self) -> None:
        """
        A signal that comes at once is the first one, delivered twice.
        """
        self.ask()
        self.reactor.advance(SAME_REQUEST / 2)
        os.kill(os.getpid(), signal.SIGTERM)
        self.reactor.advance(SAME_REQUEST)
        self.assertEqual(self.again, [])

    def test_noLonger(self) -> None:
        """
        When there is nothing left to ask for, the signals mean what they did;
        whoever says so twice does not undo what came in between.
        """
        before = [signal.getsignal(number) for number in SIGNALS]
        noLonger = self.ask()
        self.assertNotIn(signal.getsignal(signal.SIGTERM), before)
        noLonger()
        self.assertEqual([signal.getsignal(number) for number in SIGNALS], before)
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.first, [signal.SIGTERM])
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        noLonger()
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_IGN)

    def test_ignored(self) -> None:
        """
        What was ignored, as by C{nohup}, or has no handler stays so.
        """
        for action in (signal.SIG_IGN, signal.SIG_DFL):
            for number in SIGNALS:
                signal.signal(number, action)
            self.ask()()
            self.ask()
            self.assertEqual(signal.getsignal(signal.SIGTERM), action)
            self.assertEqual(signal.getsignal(signal.SIGINT), action)

    def test_otherThread(self) -> None:
        """
        Where no handler can be set, nothing happens.
        """
        before = signal.getsignal(signal.SIGTERM)
        thread = Thread(target=self.ask)
        thread.start()
        thread.join()
        self.assertIs(signal.getsignal(signal.SIGTERM), before)
