"""
A port on which the workers accept, or receive, themselves.
"""

from __future__ import annotations

from twisted_cluster._primary.borrower import Borrower
from twisted_cluster.interfaces import IOpenPort


class SharedPort:
    """
    Keeps a port open; each worker has a descriptor of the same socket, and the
    kernel chooses among those that wait on it.
    """

    acceptsItself = True
    # What waits, waits in the kernel.
    queued = underway = 0

    def __init__(self) -> None:
        self._opened: IOpenPort | None = None

    def opened(self, port: IOpenPort) -> None:
        """
        The kernel has bound the port.
        """
        self._opened = port

    def lend(self, worker: Borrower, loan: int) -> None:
        """
        A worker borrows the port, and has all it needs.
        """

    def returned(self, loan: int) -> None:
        """
        A worker has closed its descriptor.
        """

    def startTaking(self, loan: int) -> None:
        """
        A worker welcomes connections, which is between it and the kernel.
        """

    def stopTaking(self, loan: int) -> None:
        """
        A worker wants no connections for now, which is between it and the kernel.
        """

    def look(self, loan: int) -> None:
        """
        Nothing here depends on a worker's state.
        """

    def leaveToOthers(self) -> None:
        """
        It is, anyway.
        """
        assert self._opened is not None
        self._opened.leaveToOthers()

    def close(self) -> None:
        """
        Close the primary's descriptor, and clean up the path.
        """
        assert self._opened is not None
        self._opened.close()
