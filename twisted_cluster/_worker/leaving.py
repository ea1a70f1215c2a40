"""
How a worker leaves, when it was asked to or wants to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import IServing
from twisted_cluster.observing import Occasion

PATIENCE = 10.0
"""
Seconds in which a primary that works takes or answers something.
"""


class Leaving:
    """
    One worker's way out, which it goes once: it closes its ports, finishes with
    its clients, hears what the primary still has to say, has its own messages
    delivered, closes the channel, and ends when nothing keeps it any more.

    @ivar begun: Whether it is on its way.
    @ivar clock: The reactor, once there is one.
    @ivar _isStuck: Whether the primary has done nothing for too long.
    """

    _log = Logger()

    def __init__(
        self,
        ports: PrimaryPorts,
        link: PrimaryLink,
        stop: Callable[[], None],
    ) -> None:
        """
        @param stop: Ends the process.
        """
        self._ports = ports
        self._link = link
        self._stop = stop
        self._disconnected: Occasion[None] = Occasion()
        self.begun = False
        self.clock: IReactorTime | None = None
        self._isStuck = False

    def leave(self, serving: IServing) -> Deferred[None]:
        """
        Go.

        @return: Fires when the channel is closed.
        """
        if not self.begun:
            self.begun = True
            Deferred.fromCoroutine(self._go(serving)).addErrback(
                lambda failure: self._log.failure("could not leave in order", failure)
            )
        return self._disconnected.when()

    def hurry(self) -> None:
        """
        Go at once: what clients are left lose their connections.
        """
        self.begun = True
        Deferred.fromCoroutine(self._goAtOnce()).addErrback(
            lambda failure: self._log.failure("could not leave in order", failure)
        )

    def finish(self, serving: IServing) -> None:
        """
        Go, though there is no primary any more to be told.
        """
        self.begun = True
        Deferred.fromCoroutine(self._finish(serving)).addErrback(
            lambda failure: self._log.failure("could not leave in order", failure)
        )

    def channelLost(self) -> None:
        """
        The channel is closed.
        """
        self._disconnected.happened(None)

    async def _go(self, serving: IServing) -> None:
        """
        The way itself.
        """
        # What is closed now is left to the workers that stay.
        self._ports.leaving = True
        await serving.closePorts()
        await serving.whenServed()
        if await self._announce():
            await self._answer()
        await self._close()
        await serving.whenIdle()
        self._stop()

    async def _finish(self, serving: IServing) -> None:
        """
        What is left of the way.
        """
        self._ports.leaving = True
        await serving.closePorts()
        await serving.whenServed()
        self._stop()

    async def _goAtOnce(self) -> None:
        """
        The short way.
        """
        self._ports.leaving = True
        await self._announce()
        await self._close()
        self._stop()

    async def _announce(self) -> bool:
        """
        Have the primary know that this is no crash, and hear what it said before it
        knew.

        @return: Whether it waits for answers.
        """
        announced = Deferred.fromCoroutine(self._link.announceLeaving(self.clock))
        return bool(await self._patiently(announced))

    async def _answer(self) -> None:
        """
        Let the program answer what it was asked, but not for ever: what it waits
        for may be that this process ends.
        """
        answered = self._link.whenAnswered()
        if self.clock is not None:
            answered.addTimeout(PATIENCE, self.clock)
        try:
            await answered
        except TookTooLong:
            self._log.warn(
                "questions of the primary had no answer for {patience:g} s; leaving "
                "without",
                patience=PATIENCE,
            )

    async def _close(self) -> None:
        """
        Close the channel, when everything is said.
        """
        self._link.sayLastWords()
        # What cannot be delivered any more has failed with its own Deferred.
        with suppress(ChannelClosed):
            await self._patiently(self._link.whenHeardOut())
        self._link.hangUp()
        await self._patiently(self._disconnected.when())

    async def _patiently(self, waited: Deferred[Any]) -> object:
        """
        Wait for the primary, as long as it does anything at all.

        @return: What came of it; C{None} if it was given up.
        """
        looking: list[IDelayedCall] = []

        def look(before: float) -> None:
            looking.clear()
            progress = self._link.progress
            if self._isStuck or progress <= before:
                self._giveUp()
                waited.cancel()
            elif self.clock is not None:
                looking.append(self.clock.callLater(PATIENCE, look, progress))

        look(float("-inf"))
        try:
            # Only a Deferred that was given up is cancelled.
            with suppress(CancelledError):
                return await waited
            return None
        finally:
            for call in looking:
                call.cancel()

    def _giveUp(self) -> None:
        """
        The primary is stuck.
        """
        if not self._isStuck:
            self._isStuck = True
            self._log.warn(
                "the primary has not answered for {patience:g} s; leaving without it",
                patience=PATIENCE,
            )
