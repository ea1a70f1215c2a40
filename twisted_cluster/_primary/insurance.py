"""
What becomes of connections that a worker took and did not touch, when it is lost.

A worker that has taken a connection owns it, and if it dies the connection dies with
it.  Of an insured one the primary keeps its own descriptor until the worker is about
to read or write the first byte: until then nothing has happened that another worker
could not do as well, with every byte that the client has sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeAlias

from attrs import define

from twisted_cluster.interfaces import AcceptedConnection

ComesBack: TypeAlias = Callable[[list[AcceptedConnection]], None]


@define(eq=False)
class _Cover:
    """
    One insured connection.

    @ivar comesBack: Is given the connection, with all others that are covered by the
        same, if the worker is lost.
    @ivar isTaken: Whether the worker has said that it took it.
    """

    connection: AcceptedConnection
    comesBack: ComesBack
    isTaken: bool = False


class Insurance:
    """
    The insured connections of one worker.

    @ivar _covers: By the inode number of its socket, each connection that the worker
        was sent and has not touched or not answered for.
    """

    def __init__(self) -> None:
        self._covers: dict[int, _Cover] = {}

    def __len__(self) -> int:
        return len(self._covers)

    def cover(
        self,
        connections: Sequence[AcceptedConnection],
        comesBack: ComesBack,
    ) -> None:
        """
        Connections are on their way to the worker; their descriptors are still the
        caller's.
        """
        for connection in connections:
            self._covers[connection.inode] = _Cover(connection, comesBack)

    def uncover(self, connection: AcceptedConnection) -> None:
        """
        The worker does not take a connection; its descriptor stays the caller's.
        """
        self._covers.pop(connection.inode, None)

    def taken(self, connection: AcceptedConnection) -> None:
        """
        The worker took a connection.  The insurance owns its descriptor from now on.
        """
        cover = self._covers.get(connection.inode)
        if cover is None or connection.isTouched:
            self.uncover(connection)
            os.close(connection.descriptor)
        else:
            cover.isTaken = True

    def touched(self, inodes: Sequence[int]) -> None:
        """
        The worker is about to read or write the first byte of connections, or has
        closed them.  Numbers that mean nothing are passed over.
        """
        for inode in inodes:
            cover = self._covers.get(inode)
            if cover is None:
                continue
            cover.connection.isTouched = True
            if cover.isTaken:
                del self._covers[inode]
                os.close(cover.connection.descriptor)

    def void(self) -> None:
        """
        The worker lives, and cannot say any more what it touches: what it has is its
        own, and nobody else may be given it.
        """
        self.touched([*self._covers])

    def settle(self, wasAsked: bool = False) -> None:
        """
        The worker is lost: give back what it took and did not touch.

        @param wasAsked: Whether it had been asked to leave.  If it had not, one of
            these may be what it was lost for.
        """
        covers, self._covers = self._covers, {}
        back: dict[ComesBack, list[AcceptedConnection]] = {}
        for cover in covers.values():
            if cover.isTaken:
                cover.connection.losses += not wasAsked
                back.setdefault(cover.comesBack, []).append(cover.connection)
        for comesBack, connections in back.items():
            comesBack(connections)
