"""
Which ports are open, and who borrowed them.

Rules, as far as several processes can follow what one would see:

  - The same address asked for by two workers is one port.
  - Asked for twice by one worker it is in use, as it would be without a
    primary.
  - Port 0: each worker's first is one port, each worker's second another.  A
    worker that asks for the number that the kernel chose gets that port.
  - A socket that the primary was given, by systemd perhaps, is asked for by its
    number there, and stays open there.
  - A port closes when the last worker that had it closes it.  A worker that
    crashes, or that closes its ports because it is stopping, leaves them open
    for its successor.  If one has sent it to another process, it goes on there
    whenever no worker has it, until its path is removed, if it has one.
  - A failed attempt leaves nothing behind.
  - What is open, or was opened for the workers, they may have; what else, and how
    many, is a setting.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address
from itertools import count
from typing import Protocol

from attrs import define, evolve, field
from twisted.logger import Logger

from twisted_cluster._primary.borrower import Borrower
from twisted_cluster._primary.handoffport import HandoffPort
from twisted_cluster._primary.sharedport import SharedPort
from twisted_cluster.errors import ListenRefused
from twisted_cluster.events import ListeningAddress, PortReading
from twisted_cluster.interfaces import IOpenPort, IPortOpener
from twisted_cluster.listening import ListenRequest, Loan
from twisted_cluster.permissions import allowing, whyMisleading
from twisted_cluster.settings import PortSettings, SchedulingPolicy


class PrimaryPort(Protocol):
    """
    What a port does with its connections: hand them off, or share itself.
    """

    @property
    def acceptsItself(self) -> bool:
        """
        Whether the workers accept on the port themselves.
        """

    @property
    def queued(self) -> int:
        """
        How many connections wait in the primary for a worker.
        """

    @property
    def underway(self) -> int:
        """
        How many connections are on their way to workers.
        """

    def lend(self, worker: Borrower, loan: int) -> None:
        """
        A worker borrows the port.
        """

    def returned(self, loan: int) -> None:
        """
        A worker has the port no longer.
        """

    def startTaking(self, loan: int) -> None:
        """
        A worker welcomes connections.
        """

    def stopTaking(self, loan: int) -> None:
        """
        A worker wants no connections for now.
        """

    def look(self, loan: int) -> None:
        """
        A worker's state changed.
        """

    def leaveToOthers(self) -> None:
        """
        A process that has not borrowed it listens on its socket, too.
        """

    def close(self) -> None:
        """
        Close the port.
        """


@define(eq=False)
class _Entry:
    """
    An open port.

    @ivar request: What was asked for first.
    @ivar boundPort: The port number that it really has; 0 for a path.
    @ivar held: Whether it stays open though nobody borrows it.
    @ivar loans: By the worker's number, the number of its loan.
    """

    request: ListenRequest
    opened: IOpenPort
    port: PrimaryPort
    boundPort: int
    held: bool = False
    loans: dict[int, int] = field(factory=dict)

    def address(self) -> ListeningAddress:
        """
        Where it listens, as Node tells it.
        """
        return ListeningAddress.of(self.request, self.opened.boundAddress)

    def reading(self) -> PortReading:
        """
        How it is now.
        """
        return PortReading(
            address=self.address(),
            workers=tuple(sorted(self.loans)),
            backlog=self.request.backlog,
            queued=self.port.queued,
            underway=self.port.underway,
        )

    def answers(self, request: ListenRequest) -> bool:
        """
        Whether this is the port that the request names.
        """
        mine = self.request
        if request.descriptor is not None:
            # The number may be another socket's by now.
            isSame = (request.kind, request.descriptor) == (mine.kind, mine.descriptor)
            return isSame and self.opened.isAt(request.descriptor)
        if mine.descriptor is not None:
            return False
        return _named(request) == _named(mine) and (
            request.kind.isPath or request.port == self.boundPort
        )


class PortTable:
    """
    The primary's open ports.

    @ivar _entries: The ports, in the order in which they were opened.
    @ivar _byLoan: By the number of a loan, the port that was lent.
    @ivar _isShutDown: Whether no port is to be opened any more.
    """

    _log = Logger()

    def __init__(
        self,
        opener: IPortOpener,
        policy: SchedulingPolicy,
        newHandoffPort: Callable[[], HandoffPort],
        settings: PortSettings | None = None,
    ) -> None:
        self._opener = opener
        self._policy = policy
        self._settings = settings or PortSettings()
        self._newHandoffPort = newHandoffPort
        self._numbers = count(1)
        self._entries: list[_Entry] = []
        self._byLoan: dict[int, _Entry] = {}
        self._isShutDown = False

    # -- what workers ask for

    def lend(self, worker: Borrower, request: ListenRequest) -> Loan:
        """
        Open a port for a worker, or let it share one that is open.

        @return: The loan.  Its descriptor is the primary's own, to be sent: the
            receiver of the message gets a duplicate.

        @raise ListenRefused: if the kernel refuses, the worker has it already, or
            the settings do not allow it.
        """
        if self._isShutDown:
            raise ListenRefused(errno.ESHUTDOWN, "the cluster is stopping")
        self._forgetEnded()
        misleading = whyMisleading(request)
        if misleading:
            raise ListenRefused(errno.EINVAL, misleading)
        entry = self._find(worker, request)
        if entry is None:
            self._requireAllowed(worker, request)
            entry = self._open(request)
        number = next(self._numbers)
        entry.loans[worker.id] = number
        self._byLoan[number] = entry
        entry.port.lend(worker, number)
        return Loan(
            number=number,
            descriptor=entry.opened.descriptor,
            acceptsItself=entry.port.acceptsItself,
        )

    def addressOf(self, loan: int) -> ListeningAddress:
        """
        Where the port of a loan listens.
        """
        return self._byLoan[loan].address()

    def sendOn(self, worker: Borrower, loan: int) -> None:
        """
        A worker sends a port to another process.
        """
        entry = self._byLoan.get(loan)
        if entry is not None and entry.loans.get(worker.id) == loan:
            entry.port.leaveToOthers()

    def giveBack(self, worker: Borrower, loan: int, leaving: bool) -> None:
        """
        A worker closed a port.

        @param leaving: Whether it did so because it is stopping.
        """
        entry = self._byLoan.get(loan)
        if entry is None or entry.loans.get(worker.id) != loan:
            # Given back already, when the worker's channel was lost.
            return
        del self._byLoan[loan]
        del entry.loans[worker.id]
        entry.port.returned(loan)
        if not (entry.loans or entry.held or leaving):
            self._close(entry)

    def startTaking(self, worker: Borrower, loan: int) -> None:
        """
        A worker's port welcomes connections.
        """
        entry = self._byLoan.get(loan)
        if entry is not None and entry.loans.get(worker.id) == loan:
            entry.port.startTaking(loan)

    def stopTaking(self, worker: Borrower, loan: int) -> None:
        """
        A worker's port wants no connections for now.
        """
        entry = self._byLoan.get(loan)
        if entry is not None and entry.loans.get(worker.id) == loan:
            entry.port.stopTaking(loan)

    # -- what happens to workers

    def workerChanged(self, worker: Borrower) -> None:
        """
        Whether this worker may take connections has changed.
        """
        for entry in self._entries:
            if worker.id in entry.loans:
                entry.port.look(entry.loans[worker.id])

    def workerLost(self, worker: Borrower) -> None:
        """
        A worker is gone; its ports stay open for its successor.
        """
        for entry in self._entries:
            if worker.id in entry.loans:
                self.giveBack(worker, entry.loans[worker.id], leaving=True)

    # -- what the cluster does

    def hold(self, request: ListenRequest) -> None:
        """
        Open a port before any worker asks for it, and keep it open.

        @raise ListenRefused: if the kernel refuses.
        """
        self._open(request).held = True

    def shutDown(self) -> None:
        """
        Close every port, and open none any more.
        """
        self._isShutDown = True
        self.closeAll()

    def closeAll(self) -> None:
        """
        Close every port.
        """
        for entry in list(self._entries):
            try:
                self._close(entry)
            except Exception:
                # The others have to be closed all the same.
                self._log.failure("could not close {request}", request=entry.request)

    def _forgetEnded(self) -> None:
        """
        A port that somebody else has ended is none to be lent.
        """
        for entry in [each for each in self._entries if not each.opened.isOpen]:
            self._log.warn(
                "{request} was shut down by somebody else", request=entry.request
            )
            self._close(entry)

    def readings(self) -> list[PortReading]:
        """
        @return: How the open ports are, in the order in which they were opened.
        """
        return [entry.reading() for entry in self._entries]

    # -- finding, opening, closing

    def _find(self, worker: Borrower, request: ListenRequest) -> _Entry | None:
        """
        The open port that a request means, if there is one.
        """
        if not request.kind.isPath and request.port == 0 and request.descriptor is None:
            return self._findByIndex(worker, request)
        for entry in self._entries:
            if entry.answers(request):
                if worker.id in entry.loans:
                    raise ListenRefused(errno.EADDRINUSE)
                return entry
        return None

    def _findByIndex(self, worker: Borrower, request: ListenRequest) -> _Entry | None:
        """
        The first port that was opened for the same request with port 0, and
        that this worker does not have.
        """
        for entry in self._entries:
            asked = entry.request
            if (
                _named(asked) == _named(request)
                and asked.port == 0
                and asked.descriptor is None
                and worker.id not in entry.loans
            ):
                return entry
        return None

    def _requireAllowed(self, worker: Borrower, request: ListenRequest) -> None:
        """
        @raise ListenRefused: if no worker may have this port opened.
        """
        ours = [entry.opened.descriptor for entry in self._entries]
        if request.descriptor in ours:
            # Not one that this process was given, and each worker has it already,
            # by its address.
            raise ListenRefused(
                errno.EINVAL, f"descriptor {request.descriptor} is the primary's own"
            )
        allowed, limit = self._settings.mayListen, self._settings.limit
        if allowed is not None and not any(p.allows(request) for p in allowed):
            refusal = ListenRefused(
                errno.EACCES,
                "the primary was not told to allow this; --allow-listen "
                f"{allowing(request)} would",
            )
        elif len(self._entries) >= limit:
            refusal = ListenRefused(
                errno.EMFILE,
                f"{limit} ports are open, and more are not allowed; see --port-limit",
            )
        else:
            return
        self._log.warn(
            "worker {id} may not listen on {request}: {reason}",
            id=worker.id,
            request=request,
            reason=refusal.reason,
        )
        raise refusal

    def _open(self, request: ListenRequest) -> _Entry:
        """
        Open a port.
        """
        if self._settings.backlog is not None and request.kind.isStream:
            request = evolve(request, backlog=self._settings.backlog)
        port: HandoffPort | SharedPort
        if request.kind.isStream and self._policy is SchedulingPolicy.RR:
            port = self._newHandoffPort()
            opened = self._opener.openForHandoff(request, port)
        else:
            port = SharedPort()
            opened = self._opener.openToShare(request)
        port.opened(opened)
        bound = opened.boundAddress
        boundPort = bound[1] if isinstance(bound, tuple) else 0
        entry = _Entry(request, opened, port, boundPort)
        self._entries.append(entry)
        self._log.info(
            "listening on {address} for the workers",
            address=request if request.port else _withPort(request, boundPort),
        )
        return entry

    def _close(self, entry: _Entry) -> None:
        """
        Close a port, whoever has borrowed it.
        """
        self._entries.remove(entry)
        for loan in entry.loans.values():
            del self._byLoan[loan]
        entry.port.close()


def _named(request: ListenRequest) -> tuple[object, ...]:
    """
    What two requests have in common that mean the same address; beside the
    number, which the kernel may have chosen.
    """
    # Every IPv4 address, in both ways in which Twisted takes it.
    interface = "" if request.interface == "0.0.0.0" else request.interface
    if ":" in interface:
        # An IPv6 address can be written in many ways.
        with suppress(ValueError):
            interface = str(IPv6Address(interface))
    return request.kind, interface, request.path


def _withPort(request: ListenRequest, port: int) -> ListenRequest:
    """
    A request with the number that the kernel chose, to be shown.
    """
    if request.kind.isPath or request.descriptor is not None:
        return request
    return evolve(request, port=port)
