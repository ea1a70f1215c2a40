"""
When what the other process has said counts as heard.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_cluster._wire.lanes import Inbox
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.observing import Occasion

GRACE = 1.0
"""
Seconds for which a program that has received messages may want none, before it is
taken for one that is not going to: some take one, do something, and take the next.
"""


class Hearing:
    """
    Waits until some number of messages and of questions, since the beginning, were
    given to this side's program.

    @ivar heard: That they were, or that the program wants no messages.
    @ivar _clock: Tells for how long it has wanted none; without one, that counts at
        once.
    @ivar _unwanted: Looks whether it still wants none.
    """

    def __init__(
        self, messages: Inbox, questions: Inbox, clock: IReactorTime | None
    ) -> None:
        self.heard: Occasion[None] = Occasion()
        self._messages = messages
        self._questions = questions
        self._untilMessage = 0
        self._untilQuestion = 0
        self._clock = clock
        self._unwanted: IDelayedCall | None = None

    def until(self, messages: int, questions: int) -> None:
        """
        Wait for so many; who has waited for fewer waits for these now.
        """
        self._untilMessage = messages
        self._untilQuestion = questions

    def look(self) -> None:
        """
        Something was heard, or is wanted, or not any more.
        """
        if self.heard.isOver or self._questions.messages < self._untilQuestion:
            return
        if self._messages.taken >= self._untilMessage:
            self._over()
        elif self._messages.isWanted or self._unwanted is not None:
            return
        elif self._clock is None or not self._messages.taken:
            self._over()
        else:
            self._unwanted = self._clock.callLater(
                GRACE, self._lookAgain, self._messages.taken
            )

    def _lookAgain(self, before: int) -> None:
        """
        Time has passed.

        @param before: How many messages the program had taken then.
        """
        self._unwanted = None
        if self._messages.taken == before and not self._messages.isWanted:
            self._over()
        else:
            self.look()

    def _over(self) -> None:
        """
        Nothing is to be heard any more.
        """
        self._forgetTime()
        self.heard.happened(None)

    def lost(self) -> None:
        """
        The channel is lost.
        """
        self._forgetTime()
        self.heard.willNeverHappen(
            ChannelClosed("the channel was lost before all was heard")
        )

    def _forgetTime(self) -> None:
        """
        Time does not matter any more.
        """
        if self._unwanted is not None:
            self._unwanted.cancel()
            self._unwanted = None
