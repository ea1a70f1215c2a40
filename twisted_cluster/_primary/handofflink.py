"""
The primary's end of the hand-off channel to one worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.toprimary import StartTaking, StopTaking, Touched
from twisted_cluster._wire.toworker import TakeConnections
from twisted_cluster.errors import MalformedBox
from twisted_cluster.interfaces import AcceptedConnection, IHandoffTransport


class WorkerTakings(Protocol):
    """
    What a worker says about connections, once it is understood.
    """

    @property
    def id(self) -> int:
        """
        Its number.
        """

    def startTaking(self, loan: int) -> None:
        """
        It welcomes connections.
        """

    def stopTaking(self, loan: int) -> None:
        """
        It wants no connections for now.
        """

    def touched(self, inodes: Sequence[int]) -> None:
        """
        It is about to read or write the first byte of insured connections.
        """

    def handoffsLost(self) -> None:
        """
        It cannot be handed connections any more.
        """


class HandoffLink(Channel):
    """
    Hands connections to a worker, and takes back those that it does not read.
    """

    transport: IHandoffTransport

    def __init__(self, worker: WorkerTakings) -> None:
        super().__init__()
        self._worker = worker
        self.peer = f"worker {worker.id}"

    def sendConnections(
        self, loan: int, connections: Sequence[AcceptedConnection], insured: bool
    ) -> Deferred[Sequence[int]]:
        """
        Send the worker connections; the caller keeps their descriptors until the
        answer.

        @param insured: Whether the worker shall say when it touches them.

        @return: Fires with the positions of those that the worker refused; fails
            with L{TakenBack<twisted_cluster.errors.TakenBack>} if it never saw
            them, and with L{ChannelClosed<twisted_cluster.errors.ChannelClosed>}
            if it is gone and may have.
        """
        taken = self.callRemote(
            TakeConnections,
            loan=loan,
            inodes=[connection.inode for connection in connections],
            descriptors=[connection.descriptor for connection in connections],
            # Nothing is said of those that are not, which are nearly all.
            insured=insured or None,
        )
        return taken.addCallback(self._refused, len(connections))

    def _refused(self, answer: dict[str, Any], count: int) -> Sequence[int]:
        """
        What the answer to L{TakeConnections} says.
        """
        refused: Sequence[int] = answer["refused"]
        if max(refused, default=0) >= count:
            error = MalformedBox("connections are refused that were not sent")
            self.breakOff(error)
            raise error
        return refused

    def takeBack(self) -> int:
        """
        Take back what the worker has not read; the Deferreds of those fail.

        @return: How many messages that were.
        """
        if not self.connected:
            return 0
        packets = self.transport.takeBack()
        for packet in packets:
            self.withdraw(packet)
        return len(packets)

    def finish(self) -> None:
        """
        The worker is gone.  Hear what it said last, take back what it has not
        read, and close.
        """
        if self.connected:
            self.transport.readToTheEnd()
        if self.connected:
            packets = self.transport.takeBack()
            # First, so that what it did read and not answer for is back before
            # anything is handed out again.
            self.transport.abortConnection()
            for packet in packets:
                self.withdraw(packet)

    @responds(StartTaking)
    def startTaking(self, loan: int) -> dict[str, Any]:
        """
        A port of the worker's welcomes connections.
        """
        self._worker.startTaking(loan)
        return {}

    @responds(StopTaking)
    def stopTaking(self, loan: int) -> dict[str, Any]:
        """
        A port of the worker's wants no connections for now.
        """
        self._worker.stopTaking(loan)
        return {}

    @responds(Touched)
    def touched(self, inodes: Sequence[int]) -> dict[str, Any]:
        """
        Insured connections are the worker's for good.
        """
        self._worker.touched(inodes)
        return {}

    def channelLost(self, reason: Failure) -> None:
        """
        We closed the hand-off channel, or had to.
        """
        self._worker.handoffsLost()
