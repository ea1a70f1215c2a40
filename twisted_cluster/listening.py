"""
What a worker asks the primary to listen on, and what it gets for it.

Both sides and the wire between them speak in these records; they hold plain
values only, so that they can be compared, logged and sent.
"""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen
from attrs.validators import ge, instance_of, le, lt


class PortKind(Enum):
    """
    The kinds of port that a primary opens for its workers.
    """

    TCP = "tcp"
    UNIX = "unix"
    UDP = "udp"
    UNIX_DATAGRAM = "unix-datagram"

    @property
    def isStream(self) -> bool:
        """
        Whether the port accepts connections; the others receive datagrams.
        """
        return self in (PortKind.TCP, PortKind.UNIX)

    @property
    def isPath(self) -> bool:
        """
        Whether the address is a path (or an abstract name) and no number.
        """
        return self in (PortKind.UNIX, PortKind.UNIX_DATAGRAM)


@frozen(kw_only=True)
class ListenRequest:
    """
    One port, as an application described it to its reactor.

    @ivar kind: What to open.
    @ivar interface: The local IPv4 or IPv6 address; C{""} is every IPv4
        address, as for L{twisted.internet.interfaces.IReactorTCP.listenTCP}.
        Always C{""} for a path.
    @ivar port: The port number; 0 lets the kernel choose.
    @ivar path: For the kinds that are paths: the absolute path, or an
        abstract name beginning with a zero byte.
    @ivar backlog: How many connections the kernel may hold that nobody has
        accepted yet.  The first worker's number counts.
    @ivar mode: The permissions of the path.
    @ivar wantPID: Whether to hold a lock file beside the path.
    @ivar reuseAddress: Whether to set C{SO_REUSEADDR}.
    @ivar ipv6Only: Whether C{"::"} leaves IPv4 alone.
    @ivar descriptor: The number, in the primary, of a socket that is bound already;
        if it is set, all other fields but the kind are ignored.
    """

    kind: PortKind = field(validator=instance_of(PortKind))
    interface: str = ""
    port: int = field(default=0, validator=[instance_of(int), ge(0), le(65535)])
    path: bytes = b""
    backlog: int = field(
        default=50, validator=[instance_of(int), ge(-(1 << 31)), lt(1 << 31)]
    )
    mode: int = field(default=0o666, validator=[instance_of(int), ge(0), le(0o7777)])
    wantPID: bool = False
    reuseAddress: bool = True
    ipv6Only: bool = False
    descriptor: int | None = None

    def __str__(self) -> str:
        if self.descriptor is not None:
            return f"{self.kind.value} descriptor {self.descriptor}"
        if self.kind.isPath:
            name = self.path.decode("utf-8", "backslashreplace")
            return f"{self.kind.value} {name.replace(chr(0), '@')}"
        host = self.interface or "0.0.0.0"
        if ":" in host:
            host = f"[{host}]"
        return f"{self.kind.value} {host}:{self.port}"


@frozen(kw_only=True)
class Loan:
    """
    A port of the primary's, lent to one worker.

    @ivar number: Names this loan between the two processes.  Never used
        again, so that what is said late about a port that was given back
        cannot be mistaken for the next one.
    @ivar descriptor: The worker's own duplicate of the port's descriptor,
        close-on-exec.  Whoever receives the loan owns it and closes it.
    @ivar acceptsItself: C{True} if the worker accepts (or receives) on the
        descriptor itself; C{False} if the primary accepts and hands the
        connections over.
    """

    number: int
    descriptor: int
    acceptsItself: bool
