"""
The worker's end of the hand-off channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.logger import Logger

from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.descriptors import closeAll, inodeOf
from twisted_cluster._wire.toprimary import StartTaking, StopTaking, Touched
from twisted_cluster._wire.toworker import TakeConnections
from twisted_cluster.interfaces import IBorrowedPort


class TakingLink(Channel):
    """
    Receives connections for this worker's ports.

    @ivar _ports: By the number of its loan, each port that welcomes them.
    @ivar _exhausted: Whether this process had no room for some the last time,
        which was logged then.
    """

    peer = "the primary"

    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self._ports: dict[int, IBorrowedPort] = {}
        self._exhausted = False

    def startTaking(self, loan: int, port: IBorrowedPort) -> None:
        """
        C{port} welcomes connections.
        """
        self._ports[loan] = port
        self.tell(StartTaking, loan=loan)

    def stopTaking(self, loan: int) -> None:
        """
        The port of this loan takes none for now.
        """
        if self._ports.pop(loan, None) is not None:
            self.tell(StopTaking, loan=loan)

    def touch(self, inode: int) -> None:
        """
        The first byte of an insured connection is about to be read or written.
        """
        self.tell(Touched, inodes=[inode])

    @property
    def hasTold(self) -> bool:
        """
        Whether the kernel has all that was said, so that it arrives whatever becomes
        of this process.  If the primary is gone, nobody is left who could give a
        connection to another worker.
        """
        return not self.connected or not self.transport.unsent

    @responds(TakeConnections)
    def takeConnections(
        self,
        loan: int,
        inodes: Sequence[int],
        descriptors: list[int],
        insured: bool | None,
    ) -> dict[str, Any]:
        """
        Give connections to the port they are for, and say which are left.
        """
        port = self._ports.get(loan)
        if port is None:
            # It was paused, or closed, while they were on their way.
            closeAll(descriptors)
            return {"refused": range(len(inodes))}
        if len(descriptors) == len(inodes):
            self._exhausted = False
            positions: Sequence[int] = range(len(inodes))
        else:
            descriptors, positions = self._whatArrived(inodes, descriptors)
        if [inodeOf(descriptor) for descriptor in descriptors] != [
            inodes[position] for position in positions
        ]:
            self._log.error("descriptors of other connections arrived; refused all")
            closeAll(descriptors)
            return {"refused": range(len(inodes))}
        refused = set(range(len(inodes))).difference(positions)
        for index in port.takeConnections(descriptors, bool(insured)):
            closeAll([descriptors[index]])
            refused.add(positions[index])
        return {"refused": sorted(refused)}

    def _whatArrived(
        self, inodes: Sequence[int], descriptors: list[int]
    ) -> tuple[list[int], list[int]]:
        """
        This process ran out of descriptors, and the kernel dropped some.

        @return: The descriptors that were meant, and the position of each.
        """
        if not self._exhausted:
            self._exhausted = True
            self._log.warn(
                "no descriptors left: {missing} of {count} connections go back to the "
                "primary",
                missing=len(inodes) - len(descriptors),
                count=len(inodes),
            )
        positionOf = {inode: position for position, inode in enumerate(inodes)}
        meant, positions = [], []
        for descriptor in descriptors:
            position = positionOf.pop(inodeOf(descriptor), None)
            if position is None:
                closeAll([descriptor])
            else:
                meant.append(descriptor)
                positions.append(position)
        return meant, positions
