"""
What happened, as records: the facts that observers of a cluster are given.
"""

from __future__ import annotations

import os
from typing import cast

from attrs import frozen

from twisted_cluster.listening import ListenRequest


@frozen(kw_only=True)
class ListeningAddress:
    """
    Where a worker listens, as Node's C{'listening'} event tells it.

    @ivar address: The address as it was asked for: an IP address, an absolute
        path, or C{None} for every address.
    @ivar port: The real port number, -1 for a path.
    @ivar addressType: 4 or 6 for TCP, -1 for a path, C{"udp4"} or C{"udp6"}.
    @ivar fd: The primary's descriptor, if it was asked for by that.
    """

    address: str | None
    port: int
    addressType: int | str
    fd: int | None = None

    @classmethod
    def of(cls, request: ListenRequest, bound: object) -> ListeningAddress:
        """
        @param request: What was asked for.
        @param bound: Where that is bound, as C{getsockname} returns it.
        """
        descriptor = request.descriptor
        if request.kind.isPath:
            path = request.path if descriptor is None else cast("str | bytes", bound)
            return cls(
                address=os.fsdecode(path),
                port=-1,
                addressType=-1,
                fd=descriptor,
            )
        assert isinstance(bound, tuple)
        interface = request.interface if descriptor is None else str(bound[0])
        family = 6 if ":" in interface else 4
        return cls(
            address=interface or None,
            port=bound[1],
            addressType=family if request.kind.isStream else f"udp{family}",
            fd=descriptor,
        )


@frozen(kw_only=True)
class PortReading:
    """
    How a port of the primary's is at one moment.

    @ivar address: Where it listens.
    @ivar workers: The numbers of the workers that listen on it.
    @ivar backlog: How many connections the kernel may keep for it.
    @ivar queued: How many connections wait in the primary for a worker.
    @ivar underway: How many are on their way to workers: handed over, and not yet
        taken.
    """

    address: ListeningAddress
    workers: tuple[int, ...]
    backlog: int
    queued: int
    underway: int


@frozen(kw_only=True)
class WorkerExit:
    """
    How a worker's process ended: one of the two is set, or neither if the process
    could not be started at all.

    @ivar code: Its exit status.
    @ivar signal: The name of the signal that ended it, such as C{"SIGKILL"}.
    """

    code: int | None
    signal: str | None

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {self.signal}"
        if self.code is not None:
            return f"exit status {self.code}"
        return "it could not be started"
