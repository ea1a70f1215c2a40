"""
How long to wait before a worker that ended is replaced.
"""

from __future__ import annotations

from attrs import Factory, define, field

from twisted_cluster.settings import SupervisionSettings


@define(eq=False)
class RestartDelay:
    """
    The delays of one slot, as L{twisted.runner.procmon.ProcessMonitor} has
    them: none after a worker that ran long enough; after one that did not,
    twice as long each time in a row.

    Each slot has one of its own, which outlives its workers, so that one that
    keeps crashing does not slow down the others.

    @ivar _settings: The limits.
    @ivar _next: How long to wait if the next worker ends too soon.
    """

    _settings: SupervisionSettings
    _next: float = field(
        init=False,
        default=Factory(lambda self: self._settings.minRestartDelay, takes_self=True),
    )

    def ended(self, startedAt: float, now: float) -> float:
        """
        The slot's worker ended.  Call this once for each worker.

        @param startedAt: When it was started.
        @param now: When it ended, by the same clock.

        @return: How many seconds to wait before the next one is started.
        """
        settings = self._settings
        if now - startedAt >= settings.threshold:
            self._next = settings.minRestartDelay
            return 0.0
        delay = self._next
        self._next = min(delay * 2, settings.maxRestartDelay)
        return delay
