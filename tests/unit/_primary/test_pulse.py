"""
Tests of L{twisted_cluster._primary.pulse}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._primary.pulse import Pulse
from twisted_cluster.errors import ChannelClosed

PATIENCE = 8.0
"""
Longer than any real one; halves of it, and hundredths of those, are exact enough.
"""


class PulseTests(SynchronousTestCase):
    """
    Tests of L{Pulse}.
    """

    def setUp(self) -> None:
        """
        Take a worker's pulse.
        """
        self.clock = Clock()
        self.asked: list[Deferred[object]] = []
        self.changes: list[bool] = []
        self.pulse = self.take(PATIENCE)

    def take(self, patience: float) -> Pulse:
        """
        Take a worker's pulse, with this patience.
        """
        pulse = Pulse(self._ask, self._changed, self.clock, patience)
        pulse.start()
        return pulse

    def _ask(self) -> Deferred[object]:
        """
        Ask the worker.
        """
        self.asked.append(Deferred())
        return self.asked[-1]

    def _changed(self) -> None:
        """
        Keep what it is now.
        """
        self.changes.append(self.pulse.isBlocked)

    def answer(self) -> None:
        """
        Answer the oldest question.
        """
        self.asked.pop(0).callback({})

    def test_answersInTime(self) -> None:
        """
        A worker that answers every question before the second look is never taken
        for blocked, and is asked again and again, one question at a time.
        """
        for _ in range(10):
            self.assertEqual(len(self.asked), 1)
            self.clock.advance(PATIENCE / 2)
            self.clock.advance(PATIENCE / 2 - 0.25)
            self.answer()
            self.assertEqual(self.pulse.lag, PATIENCE - 0.25)
            self.clock.advance(0.25)
        self.assertEqual((self.changes, self.pulse.isBlocked), ([], False))

    def test_answersAtOnce(self) -> None:
        """
        One that answers at once is asked with every look, which is twice in that
        time.
        """
        count = 0
        for _ in range(8):
            self.answer()
            count += 1
            self.clock.advance(PATIENCE / 2)
        self.assertEqual((count, len(self.asked)), (8, 1))
        self.assertEqual(self.pulse.lag, 0.0)

    def test_blocked(self) -> None:
        """
        One that does not answer is blocked, which is told once; it is not asked
        again.
        """
        self.clock.advance(PATIENCE / 2)
        self.clock.advance(PATIENCE / 2 - 0.01)
        self.assertEqual((self.changes, self.pulse.isBlocked), ([], False))
        self.clock.advance(0.01)
        self.assertEqual((self.changes, self.pulse.isBlocked), ([True], True))
        self.assertEqual(self.pulse.silence, PATIENCE)
        self.clock.pump([PATIENCE / 2] * 10)
        self.assertEqual((self.changes, len(self.asked)), ([True], 1))

    def whenBlocked(self, quiet: float) -> float:
        """
        @param quiet: After how many seconds the worker stops to turn; until then
            it answers at once.

        @return: How many seconds later it is taken for blocked.
        """
        self.clock.advance(0)
        passed, step = 0.0, PATIENCE / 64
        while not self.pulse.isBlocked:
            while self.asked and passed <= quiet:
                self.answer()
            self.clock.advance(step)
            passed += step
            self.assertLess(passed, quiet + 3 * PATIENCE)
        return passed - quiet

    def test_howLong(self) -> None:
        """
        Whenever it stops to turn, that is seen after the time, and before half as
        much again has passed.
        """
        for part in range(32):
            self.pulse.stop()
            self.asked.clear()
            self.pulse = self.take(PATIENCE)
            taken = self.whenBlocked(PATIENCE + part * PATIENCE / 64)
            self.assertGreaterEqual(taken, PATIENCE)
            self.assertLessEqual(taken, 1.5 * PATIENCE)

    def test_back(self) -> None:
        """
        When it answers after all it is not blocked any more, which is told with how
        long it took; and it is asked again.
        """
        self.clock.pump([PATIENCE / 2] * 3)
        self.clock.advance(1)
        self.answer()
        self.assertEqual((self.changes, self.pulse.isBlocked), ([True, False], False))
        self.assertEqual((self.pulse.lag, self.pulse.silence), (1.5 * PATIENCE + 1, 0))
        self.clock.advance(PATIENCE / 2)
        self.assertEqual(len(self.asked), 1)

    def test_again(self) -> None:
        """
        It can be blocked a second time, after as long as the first time.
        """
        self.clock.pump([PATIENCE / 2] * 2)
        self.answer()
        self.clock.pump([PATIENCE / 2] * 2)
        self.assertEqual(self.changes, [True, False])
        self.clock.advance(PATIENCE / 2)
        self.assertEqual(self.changes, [True, False, True])

    def test_primarySlept(self) -> None:
        """
        A primary that did not run for a long time itself finds one look to be due,
        and the answer there to be read, which it does before the next: the worker
        is not to blame.
        """
        self.clock.rightNow += 100 * PATIENCE
        [look] = self.clock.getDelayedCalls()
        self.clock.advance(0)
        self.assertFalse(look.active())
        self.assertEqual(self.changes, [])
        self.answer()
        self.clock.advance(PATIENCE / 2)
        self.assertEqual((self.changes, len(self.asked)), ([], 1))

    def test_primarySleptTooLate(self) -> None:
        """
        But one that has not answered by then is blocked.
        """
        self.clock.rightNow += 100 * PATIENCE
        self.clock.advance(0)
        self.clock.advance(PATIENCE / 2)
        self.assertEqual(self.changes, [True])

    def test_never(self) -> None:
        """
        Without patience nothing is asked, and nobody taken for blocked.
        """
        self.pulse.stop()
        self.asked.clear()
        self.pulse = self.take(0)
        self.assertEqual((self.asked, self.clock.getDelayedCalls()), ([], []))
        self.pulse.stop()

    def test_stop(self) -> None:
        """
        When the worker is gone nobody looks, and the question that it never
        answered is over.
        """
        self.pulse.stop()
        self.pulse.stop()
        self.asked[0].errback(Failure(ChannelClosed("gone")))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual((self.changes, self.pulse.lag), ([], None))

    def test_stopBlocked(self) -> None:
        """
        The end of a blocked worker is no recovery.
        """
        self.clock.pump([PATIENCE / 2] * 2)
        self.pulse.stop()
        self.asked[0].errback(Failure(ChannelClosed("gone")))
        self.assertEqual(self.changes, [True])

    def test_stoppedByTheChange(self) -> None:
        """
        Whoever is told that it is blocked may stop it.
        """
        self.pulse.stop()
        self.asked.clear()
        self.pulse = Pulse(
            self._ask,
            lambda: self.pulse.stop(),  # noqa: PLW0108
            self.clock,
            PATIENCE,
        )
        self.pulse.start()
        self.clock.pump([PATIENCE / 2] * 2)
        self.assertTrue(self.pulse.isBlocked)
        self.assertEqual(self.clock.getDelayedCalls(), [])
