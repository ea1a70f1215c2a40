"""
The worker's end of the stream channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from twisted_cluster._wire.channel import responds
from twisted_cluster._wire.codec import Codec
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.toprimary import LastWords, Leaving, Running
from twisted_cluster._wire.toworker import Leave, Turn
from twisted_cluster.errors import ChannelClosed


class PrimaryLink(MessagingChannel):
    """
    Says how this worker is, and hears what it shall do.

    @ivar _askedToLeave: Called when the primary wants this worker to leave.
    @ivar _primaryLost: Called once when the channel is gone.
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

    def reportRunning(self) -> None:
        """
        The program's reactor runs.
        """
        self.tell(Running)

    async def announceLeaving(self) -> bool:
        """
        Tell the primary that the channel is going to be closed, and wait until
        it knows, and what its program has said by then is heard.

        @return: Whether that program waits for answers.
        """
        try:
            said = await self.callRemote(Leaving)
            await self.whenHeard(said["messages"], said["questions"])
        except ChannelClosed:
            # It has gone itself.
            return False
        isWaiting: bool = said["isWaiting"]
        return isWaiting

    def sayLastWords(self) -> None:
        """
        Have the primary take what was sent, also if nobody receives it there
        yet: this process is about to end.
        """
        if self.connected and self.undelivered:
            self.tell(LastWords)

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
