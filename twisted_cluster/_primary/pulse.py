"""
Whether a worker's reactor turns.

A worker whose reactor does not turn, because its program computes, waits, or was
stopped, serves nobody, but its channel would take connections all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_cluster.errors import ChannelClosed

LOOKS = 2
"""
How many looks in a row have to find no answer.  Looks are counted, not seconds: if
the primary itself did not run for a while, the answer is there to be read before
the second look.
"""


class Pulse:
    """
    Asks one worker again and again whether its reactor turns.

    @ivar isBlocked: Whether the worker has not answered for too long.
    @ivar lag: Seconds that it took for its last answer; C{None} before the first.
    @ivar _asked: When it was asked what it has not answered; C{None} if there is
        no such question.
    @ivar _missed: How many looks have found no answer to that.
    """

    def __init__(
        self,
        ask: Callable[[], Deferred[Any]],
        changed: Callable[[], None],
        clock: IReactorTime,
        patience: float,
    ) -> None:
        """
        @param ask: Asks the worker; what it returns fires with the answer.
        @param changed: Called when C{isBlocked} has changed.
        @param patience: Seconds after which a worker that does not answer is
            blocked; it can take half as long again until that is seen.  0 asks
            nothing, and takes no worker for blocked.
        """
        self.isBlocked = False
        self.lag: float | None = None
        self._ask = ask
        self._changed = changed
        self._clock = clock
        self._interval = patience / LOOKS
        self._asked: float | None = None
        self._missed = 0
        self._next: IDelayedCall | None = None

    @property
    def silence(self) -> float:
        """
        For how many seconds the worker has owed an answer.
        """
        return 0.0 if self._asked is None else self._clock.seconds() - self._asked

    def start(self) -> None:
        """
        Ask from now on.
        """
        if self._interval > 0:
            self._look()

    def stop(self) -> None:
        """
        The worker is gone.
        """
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _look(self) -> None:
        """
        Ask, unless there is an answer to come.
        """
        self._next = self._clock.callLater(self._interval, self._look)
        if self._asked is None:
            self._asked = self._clock.seconds()
            self._missed = 0
            self._ask().addCallbacks(self._answered, self._failed)
            return
        self._missed += 1
        if self._missed == LOOKS:
            self.isBlocked = True
            self._changed()

    def _answered(self, answer: object) -> None:
        """
        Its reactor turns.
        """
        self.lag = self.silence
        self._asked = None
        if self.isBlocked:
            self.isBlocked = False
            self._changed()

    def _failed(self, failure: Failure) -> None:
        """
        There is nobody left to answer; or an answer that is none, but whoever gives
        one is there.
        """
        if not failure.check(ChannelClosed):
            self._answered(failure)
