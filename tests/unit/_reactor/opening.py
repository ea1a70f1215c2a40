"""
Ports of a real reactor, for tests.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet import tcp
from zope.interface import implementer

from tests.unit.realreactor import PATIENCE, RealReactorTestCase
from twisted_cluster._reactor.acceptingport import (
    AcceptingTCPPort,
)
from twisted_cluster._reactor.portopener import PortOpener
from twisted_cluster.interfaces import (
    AcceptedConnection,
    IConnectionReceiver,
    IOpenPort,
)
from twisted_cluster.listening import ListenRequest, PortKind

LOOPBACK = "127.0.0.1"


@implementer(IConnectionReceiver)
class Receiver:
    """
    Keeps what was accepted.

    @ivar batches: What came at once.
    """

    def __init__(self) -> None:
        self.batches: list[list[AcceptedConnection]] = []

    def connectionsAccepted(self, connections: list[AcceptedConnection]) -> None:
        """
        Keep them.
        """
        self.batches.append(connections)

    @property
    def connections(self) -> list[AcceptedConnection]:
        """
        All of them, in order.
        """
        return [connection for batch in self.batches for connection in batch]


class TroubledSocket:
    """
    A listening socket that cannot accept when the test says so.

    @ivar troubles: What the next calls fail with; 0 lets one work.
    @ivar tries: How many calls there were.
    """

    def __init__(self, real: socket.socket, *troubles: int) -> None:
        self.real = real
        self.troubles = list(troubles)
        self.tries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def accept(self) -> Any:
        """
        Fail, or accept.
        """
        self.tries += 1
        number = self.troubles.pop(0) if self.troubles else 0
        if number:
            raise OSError(number, os.strerror(number))
        return self.real.accept()


@contextmanager
def unprivileged() -> Iterator[None]:
    """
    Be nobody for a moment, if this is root, who may do everything.
    """
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class PortCase(RealReactorTestCase):
    """
    Ports of a real reactor, on the loopback interface and in a directory of
    their own.
    """

    def setUp(self) -> None:
        """
        Make an opener.
        """
        # What Twisted keeps in reserve, once for the whole process.
        tcp._reservedFD.reserve()
        super().setUp()
        self.opener = PortOpener(self.reactor)
        self.receiver = Receiver()
        self.addCleanup(self._closeConnections)
        directory = self.mktemp()
        os.makedirs(directory)
        # UNIX paths are short, and those of test directories are not.
        self.directory = os.open(directory, os.O_RDONLY)
        self.addCleanup(os.close, self.directory)
        self.path = f"/proc/self/fd/{self.directory}/socket".encode()
        if not os.path.isdir(os.path.dirname(self.path)):
            self.path = os.path.abspath(directory).encode() + b"/s"

    def _closeConnections(self) -> None:
        """
        Close what was accepted.
        """
        for connection in self.receiver.connections:
            os.close(connection.descriptor)

    def request(self, **more: Any) -> ListenRequest:
        """
        A port of the loopback interface, or what is said.
        """
        return ListenRequest(**{"kind": PortKind.TCP, "interface": LOOPBACK, **more})

    def unixRequest(self, **more: Any) -> ListenRequest:
        """
        A UNIX port.
        """
        return ListenRequest(**{"kind": PortKind.UNIX, "path": self.path, **more})

    def open(self, request: ListenRequest | None = None) -> IOpenPort:
        """
        Open a port for hand-off.
        """
        port = self.opener.openForHandoff(request or self.request(), self.receiver)
        self.closing(port)
        return port

    def share(self, request: ListenRequest) -> IOpenPort:
        """
        Open a port to share.
        """
        port = self.opener.openToShare(request)
        self.closing(port)
        return port

    def closing(self, port: IOpenPort) -> None:
        """
        Close it after the test, if the test does not.
        """

        def close() -> None:
            try:
                port.descriptor  # noqa: B018
            except AttributeError:
                return
            port.close()

        self.addCleanup(close)

    def connect(self, port: IOpenPort, count: int = 1) -> list[socket.socket]:
        """
        Connect clients; the kernel takes them all into the backlog.
        """
        family = socket.AF_UNIX
        if isinstance(port.boundAddress, tuple):
            family = socket.AF_INET6 if len(port.boundAddress) == 4 else socket.AF_INET
        clients = []
        for _ in range(count):
            client = socket.socket(family)
            self.addCleanup(client.close)
            client.settimeout(PATIENCE)
            client.connect(port.boundAddress)  # type: ignore[arg-type]
            clients.append(client)
        return clients

    def troubled(self, port: IOpenPort, *troubles: int) -> TroubledSocket:
        """
        Have accepting fail.
        """
        assert isinstance(port, AcceptingTCPPort)
        port.socket = TroubledSocket(  # type: ignore[assignment]
            port.socket, *troubles
        )
        return port.socket  # type: ignore[return-value]
