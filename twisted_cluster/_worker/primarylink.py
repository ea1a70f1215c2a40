"""
The worker's end of the stream channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_cluster._wire.channel import responds
from twisted_cluster._wire.codec import Codec
from twisted_cluster._wire.messaging import MessagingChannel, firstError
from twisted_cluster._wire.toprimary import LastWords, Leaving, Running
from twisted_cluster._wire.toworker import Leave, Turn
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.observing import Occasion


class PrimaryLink(MessagingChannel):
    """
    Says how this worker is, and hears what it shall do.

    @ivar _askedToLeave: Called when the primary wants this worker to leave.
    @ivar _primaryLost: Called once when the channel is gone.
    @ivar _lastWordsHeard: That the primary's program has all that was sent, or wants
        no messages.
    """

    peer = "the primary"

    def __init__(
        self,
        codec: Codec,
        asked: Callable[[], None],
        primaryLost: Callable[[], None],
    ) -> None:
        super().__init__(codec)
        self._askedToLeave = asked
        self._primaryLost = primaryLost
        self._lastWordsHeard: Occasion[None] = Occasion()

    def reportRunning(self) -> None:
        """
        The program's reactor runs.
        """
        self.tell(Running)

    async def announceLeaving(self, clock: IReactorTime | None) -> bool:
        """
        Tell the primary that the channel is going to be closed, and wait until
        it knows, and what its program has said by then is heard.

        @param clock: Tells how long this program may leave between two messages.

        @return: Whether that program waits for answers.
        """
        try:
            said = await self.callRemote(Leaving)
            await self.whenHeard(said["messages"], said["questions"], clock)
        except ChannelClosed:
            # It has gone itself.
            return False
        isWaiting: bool = said["isWaiting"]
        return isWaiting

    def sayLastWords(self) -> None:
        """
        This process is about to end: ask whether it is of any use to wait until what
        it sent is received.
        """
        if self.connected and self.undelivered:
            self.callRemote(LastWords, **self.said).addCallbacks(
                lambda _: self._lastWordsHeard.happened(None),
                lambda failure: failure.trap(ChannelClosed),
            )

    @property
    def isHeard(self) -> bool:
        """
        Whether there is nothing to wait for any more: all that was sent is
        delivered, or nobody wants it.
        """
        return not self.undelivered or self._lastWordsHeard.isOver

    def whenHeardOut(self) -> Deferred[object]:
        """
        @return: Fires when C{isHeard} is true, after L{sayLastWords}; fails with
            L{ChannelClosed} if the channel is lost before.
        """
        heardOut: Deferred[Any] = DeferredList(
            [self.whenDelivered(), self._lastWordsHeard.when()],
            fireOnOneCallback=True,
            fireOnOneErrback=True,
            consumeErrors=True,
        )
        return heardOut.addErrback(firstError)

    @responds(Turn)
    def turn(self) -> dict[str, Any]:
        """
        The reactor turns, or this would not be called.
        """
        return {}

    @responds(Leave)
    def leave(self) -> dict[str, Any]:
        """
        The primary wants this worker to leave.
        """
        self._askedToLeave()
        return {}

    def channelLost(self, reason: Failure) -> None:
        """
        The primary is gone.
        """
        self._primaryLost()
