"""
A borrower of ports that the test steps by hand.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_cluster._primary.insurance import Insurance
from twisted_cluster.errors import ChannelClosed, TakenBack
from twisted_cluster.interfaces import AcceptedConnection


@define(eq=False)
class Message:
    """
    Connections on their way to a worker.

    @ivar loan: The port that they are for.
    @ivar inodes: Which they are.
    @ivar copies: The worker's descriptors of them, as the kernel makes them.
    @ivar answered: The primary's question.
    """

    loan: int
    inodes: list[int]
    copies: list[int]
    answered: Deferred[Sequence[int]]


@define(eq=False)
class SteppedWorker:
    """
    A worker that answers when the test says so.

    @ivar id: Its number.
    @ivar mayTakeConnections: Whether its reactor runs.
    @ivar messages: What was sent to it and not answered, the oldest first.
    @ivar sizes: How many connections each message brought.
    @ivar suspected: Whether each message was of connections that a worker was lost
        with.
    @ivar covered: For each message that it was ever sent, whether it was insured.
    @ivar taken: The inodes of the connections that it took, in order.
    @ivar held: Its descriptors of those.
    @ivar isGone: Whether its channel is closed.
    @ivar insurance: What it has taken and not touched, if that is insured.
    """

    id: int
    mayTakeConnections: bool = True
    messages: list[Message] = field(factory=list)
    sizes: list[int] = field(factory=list)
    suspected: list[bool] = field(factory=list)
    covered: list[bool] = field(factory=list)
    taken: list[int] = field(factory=list)
    held: list[int] = field(factory=list)
    isGone: bool = False
    insurance: Insurance = field(factory=Insurance)

    def handOff(
        self, loan: int, connections: Sequence[AcceptedConnection], insured: bool
    ) -> Deferred[Sequence[int]]:
        """
        Duplicate the descriptors, as sending them does, and keep the message.
        """
        answered: Deferred[Sequence[int]] = Deferred()
        if self.isGone:
            answered.errback(Failure(ChannelClosed("gone")))
            return answered
        self.sizes.append(len(connections))
        self.covered.append(insured)
        self.suspected.append(any(connection.losses for connection in connections))
        self.messages.append(
            Message(
                loan,
                [connection.inode for connection in connections],
                [os.dup(connection.descriptor) for connection in connections],
                answered,
            )
        )
        return answered

    @property
    def underway(self) -> list[int]:
        """
        The inodes of the connections that it has not answered for.
        """
        return [inode for message in self.messages for inode in message.inodes]

    def answer(self, refused: Collection[int] = ()) -> None:
        """
        Answer the oldest message: take all but those at these positions.
        """
        message = self.messages.pop(0)
        for position, copy in enumerate(message.copies):
            if position in refused:
                os.close(copy)
            else:
                self.taken.append(message.inodes[position])
                self.held.append(copy)
        message.answered.callback(sorted(refused))

    def refuse(self) -> None:
        """
        Refuse all of the oldest message.
        """
        self.answer(range(len(self.messages[0].inodes)))

    def answerAll(self) -> None:
        """
        Take everything that is on its way, and what follows from that.
        """
        while self.messages:
            self.answer()

    def fail(self, error: Exception) -> None:
        """
        Answer the oldest message with an error; nothing of it was taken.
        """
        message = self.messages.pop(0)
        self._drop(message.copies)
        message.answered.errback(Failure(error))

    def takeBack(self) -> None:
        """
        Everything that it has not answered for is taken back, which it had not read.
        """
        messages, self.messages = self.messages, []
        for message in messages:
            self._drop(message.copies)
            message.answered.errback(Failure(TakenBack("not read")))

    def die(self) -> None:
        """
        End, with the channel.
        """
        self.isGone = True
        self.mayTakeConnections = False
        messages, self.messages = self.messages, []
        for message in messages:
            self._drop(message.copies)
        self._drop(self.held)
        self.held = []
        for message in messages:
            message.answered.errback(Failure(ChannelClosed("gone")))
        self.insurance.settle()

    def closeHeld(self) -> None:
        """
        Close the connections that it serves; for a test's clean-up.
        """
        self._drop(self.held)
        self.held = []

    def _drop(self, descriptors: list[int]) -> None:
        """
        Close descriptors.
        """
        for descriptor in descriptors:
            os.close(descriptor)
