"""
What becomes of a message, for those who want to know.

Most who send a message do not.  If it cannot be delivered, Twisted would tell the
log of each one with a traceback, as of a mistake in the program; but it is none that
a process ends, and there may be a million messages on their way to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_cluster.errors import ChannelError


@define(eq=False)
class Unheeded:
    """
    Says in one line that messages were not delivered, for all those of a channel.

    @ivar peer: What the other side is called.
    @ivar _told: For which reasons it was said already.
    """

    peer: str
    _told: set[type[Exception]] = field(factory=set)

    _log = Logger()

    def tell(self, error: Exception) -> None:
        """
        Nobody wants to know that a message was not delivered.
        """
        if type(error) not in self._told:
            self._told.add(type(error))
            self._log.warn(
                "not every message to {peer} was delivered: {error}",
                peer=self.peer,
                error=error,
            )


class _Callbacks:
    """
    The list of a L{Delivery}'s callbacks, which is made when it is looked at.
    """

    def __get__(self, delivery: Delivery | None, kind: type[Delivery]) -> Any:
        if delivery is None:
            return self
        delivery.heeded = True
        made: list[Any] = []
        # From now on it is found there.
        delivery.__dict__["_callbacks"] = made
        return made


class Delivery(Deferred[None]):
    """
    Fires when a message was delivered.  Nobody has to handle it if it was not.

    There is one for each message, and hardly anybody looks at it.  So it is made
    without what a L{Deferred} has from its beginning, which takes three times as
    long.

    @ivar heeded: Whether anybody may have looked at it.
    @ivar unheeded: Is told if it failed and nobody handled that.
    """

    heeded = False
    unheeded: Unheeded | None = None
    _callbacks = _Callbacks()
    _canceller = None

    if not TYPE_CHECKING:
        # Instead of Deferred's.
        __init__ = object.__init__

    def errback(self, fail: Failure | BaseException | None = None) -> None:
        """
        Fail.
        """
        # Only now: what is called at the end of an object costs, and most do not
        # fail.
        self.__class__ = _Failed
        super().errback(fail)


class _Failed(Delivery):
    """
    One that has failed.
    """

    def __del__(self) -> None:
        if self.called and self.unheeded is not None:
            result = getattr(self, "result", None)
            if isinstance(result, Failure) and isinstance(result.value, ChannelError):
                # Now Twisted takes it for handled.
                self.addErrback(lambda _: None)
                self.unheeded.tell(result.value)
