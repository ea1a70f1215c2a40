"""
Tests of L{twisted_cluster._supervision.restarts}.
"""

from __future__ import annotations

from unittest import TestCase

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IProcessProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.runner.procmon import ProcessMonitor

from twisted_cluster._supervision.restarts import RestartDelay
from twisted_cluster.settings import SupervisionSettings


class SpawningClock(Clock):
    """
    As much of a reactor as L{ProcessMonitor} needs.
    """

    latest: IProcessProtocol

    def spawnProcess(
        self, process: IProcessProtocol, *args: object, **kwargs: object
    ) -> None:
        """
        Keep the protocol, to let its process end.
        """
        self.latest = process
        process.makeConnection(StringTransport())  # type: ignore[arg-type]


def delaysOfProcmon(limits: SupervisionSettings, lives: list[float]) -> list[float]:
    """
    How long Twisted's own monitor waits after each of these lives.
    """
    clock = SpawningClock()
    monitor = ProcessMonitor(clock)  # type: ignore[arg-type]
    monitor.threshold = limits.threshold  # type: ignore[assignment]
    monitor.minRestartDelay = limits.minRestartDelay  # type: ignore[assignment]
    monitor.maxRestartDelay = limits.maxRestartDelay  # type: ignore[assignment]
    monitor.addProcess("worker", ["worker"])
    monitor.startService()
    delays = []
    for life in lives:
        clock.advance(life)
        clock.latest.processEnded(Failure(ProcessDone(0)))
        delays.append(monitor.restart["worker"].getTime() - clock.seconds())
        clock.advance(delays[-1])
    return delays


def delaysOfOurs(limits: SupervisionSettings, lives: list[float]) -> list[float]:
    """
    How long L{RestartDelay} waits after each of these lives.
    """
    delay = RestartDelay(limits)
    now = 0.0
    delays = []
    for life in lives:
        delays.append(delay.ended(now, now + life))
        now += life + delays[-1]
    return delays


class RestartDelayTests(TestCase):
    """
    Tests of L{RestartDelay}.
    """

    def test_doubling(self) -> None:
        """
        Each life that is too short in a row doubles the delay, up to the
        maximum.
        """
        limits = SupervisionSettings(maxRestartDelay=5)
        self.assertEqual(delaysOfOurs(limits, [0.5] * 5), [1, 2, 4, 5, 5])

    def test_reset(self) -> None:
        """
        After a life that was long enough the next comes at once, and the delay
        is the smallest again.
        """
        self.assertEqual(
            delaysOfOurs(SupervisionSettings(), [0, 0, 1.0, 0, 0]),
            [1, 2, 0, 1, 2],
        )

    def test_slotsAreIndependent(self) -> None:
        """
        One slot's crashes do not delay another's restart.
        """
        limits = SupervisionSettings()
        crashing, other = RestartDelay(limits), RestartDelay(limits)
        crashing.ended(0, 0)
        self.assertEqual(crashing.ended(1, 1), 2)
        self.assertEqual(other.ended(1, 1), 1)

    # Quarters of seconds, of which sums and differences are exact.
    @settings(deadline=None)
    @given(
        threshold=st.integers(0, 8),
        smallest=st.integers(1, 8),
        more=st.integers(0, 100),
        lives=st.lists(st.integers(0, 12), max_size=20),
    )
    def test_asProcmon(
        self, threshold: int, smallest: int, more: int, lives: list[int]
    ) -> None:
        """
        The delays are those of L{ProcessMonitor}.
        """
        limits = SupervisionSettings(
            threshold=threshold / 4,
            minRestartDelay=smallest / 4,
            maxRestartDelay=(smallest + more) / 4,
        )
        seconds = [life / 4 for life in lives]
        self.assertEqual(
            delaysOfOurs(limits, seconds), delaysOfProcmon(limits, seconds)
        )
