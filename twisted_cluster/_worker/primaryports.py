"""
The primary's ports, as this worker borrows them.
"""

from __future__ import annotations

import errno
from typing import Any

from twisted.protocols.amp import Command, RemoteAmpError
from zope.interface import implementer

from twisted_cluster._wire.descriptors import closeAll
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.toprimary import GiveBack, Listen, SendOn, listenArguments
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster.errors import ChannelError, ListenRefused
from twisted_cluster.interfaces import IBorrowedPort, IPrimaryPorts
from twisted_cluster.listening import ListenRequest, Loan


@implementer(IPrimaryPorts)
class PrimaryPorts:
    """
    Asks on the query channel, and says on the hand-off channel which of the
    ports welcome connections.

    @ivar leaving: Whether this process is about to end, so that what it closes
        now should stay open for its successor.
    """

    def __init__(self, query: QueryClient, handoffs: TakingLink) -> None:
        self._query = query
        self._handoffs = handoffs
        self.leaving = False

    def borrow(self, request: ListenRequest) -> Loan:
        """
        Ask the primary for a port, and wait for its answer.
        """
        try:
            answer = self._query.ask(Listen, **listenArguments(request))
        except ChannelError as e:
            raise ListenRefused(errno.ENOTCONN, str(e)) from e
        except RemoteAmpError as e:
            raise ListenRefused(errno.EIO, f"the primary failed: {e}") from e
        number, descriptors = answer["loan"], answer["descriptors"] or []
        refusal = answer["errno"]
        if refusal or number is None:
            closeAll(descriptors)
            if refusal not in errno.errorcode:
                refusal = errno.EPROTO
            raise ListenRefused(refusal, answer["reason"] or "")
        closeAll(descriptors[1:])
        if not descriptors:
            # The port is open, but this process has no room for its descriptor.
            self._returnLoan(number)
            raise ListenRefused(errno.EMFILE)
        return Loan(
            number=number,
            descriptor=descriptors[0],
            acceptsItself=bool(answer["acceptsItself"]),
        )

    def startTaking(self, loan: Loan, port: IBorrowedPort) -> None:
        """
        Connections of this loan go to C{port} from now on.
        """
        self._handoffs.startTaking(loan.number, port)

    def stopTaking(self, loan: Loan) -> None:
        """
        No connections of this loan for now.
        """
        self._handoffs.stopTaking(loan.number)

    @property
    def hasTold(self) -> bool:
        """
        Whether the primary is sure to hear what was said of connections.
        """
        return self._handoffs.hasTold

    def touch(self, inode: int) -> None:
        """
        The first byte of an insured connection is about to be read or written.
        """
        self._handoffs.touch(inode)

    def sendOn(self, loan: Loan) -> None:
        """
        The port is sent to another process.
        """
        self._tell(SendOn, loan=loan.number)

    def giveBack(self, loan: Loan) -> None:
        """
        The port was closed.
        """
        self._returnLoan(loan.number)

    def _returnLoan(self, number: int) -> None:
        """
        Nobody here has the port any more.
        """
        self._tell(GiveBack, loan=number, leaving=self.leaving)

    def _tell(self, command: type[Command], **arguments: Any) -> None:
        """
        Tell the primary, if it is still there to be told.
        """
        try:
            self._query.ask(command, **arguments)
        except (ChannelError, RemoteAmpError):
            # Without a primary there is no port that it could close.
            return
