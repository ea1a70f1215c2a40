"""
Where the sides of the package meet.

The primary's side (C{_primary}), the worker's side (C{_worker}) and the edge to
Twisted and the kernel (C{_reactor}) never import each other.  Each is given what
it needs, and knows it only by one of these interfaces; C{_run} puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from attrs import define, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProcessProtocol,
    IProtocol,
    ITCPTransport,
    ITransport,
)
from zope.interface import Attribute, Interface

from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.listening import ListenRequest, Loan
from twisted_cluster.settings import WorkerProgram

# -- between the wire and the kernel


class IDescriptorTransport(ITransport):
    """
    A stream transport that carries file descriptors beside the bytes.
    """

    def writeSequence(iovec: Iterable[bytes | memoryview]) -> None:
        """
        Write bytes that are in pieces, without putting them together.
        """

    def writeWithDescriptors(data: bytes, descriptors: Sequence[int]) -> None:
        """
        Write C{data}, with C{descriptors} attached to its first byte.

        The caller keeps the descriptors, and keeps them open until the other
        side has answered: they are queued by number, and until the answer
        nobody else is known to hold them.

        @param data: At least one byte.
        @param descriptors: At most 253 of them, what Linux takes at once.
        """

    def readToTheEnd() -> None:
        """
        Read and deliver, before this returns, what the other end has written so
        far.  Nothing is delivered once the transport is lost, or was asked to
        close.

        It is for whoever knows that the other process has exited: the reactor
        may see that before it sees what the process said last.  It must not be
        called while something is being delivered.
        """

    def abortConnection() -> None:
        """
        Close without sending what waits, which C{loseConnection} would wait for;
        and deliver nothing more.  The protocol is told later, not before this
        returns.
        """

    unsent: int = Attribute(
        "How many bytes that were written the kernel has not taken yet."
    )


class IHandoffTransport(IDescriptorTransport):
    """
    The primary's end of a hand-off channel, on which each write arrives as one
    packet, or not at all.
    """

    def takeBack() -> list[bytes]:
        """
        Take out of the channel what the other side has not read, and now never
        will.

        @return: Each write that it has not read, in order.
        """


class IDescriptorProtocol(IProtocol):
    """
    What a L{IDescriptorTransport} delivers to.
    """

    def descriptorsReceived(descriptors: list[int]) -> None:
        """
        A group of descriptors arrived; the bytes that it was attached to begin
        in the next C{dataReceived}, or began in the same one.

        @param descriptors: The group; shorter than what was sent, down to
            empty, if this process had no room for all of it.  They are
            close-on-exec, and the protocol owns them and closes them.
        """


# -- on the primary's side


@define(eq=False)
class AcceptedConnection:
    """
    A connection that the primary accepted and that no worker has taken yet.

    @ivar descriptor: The primary's descriptor of it.  Whoever holds this
        object closes it, once, when a worker took the connection or nobody can.
    @ivar inode: The socket's inode number: the same in every process, so that
        a worker can tell whether the descriptor it received is the one meant.
    @ivar losses: How many workers were lost that had read it, and perhaps because
        of it.
    @ivar isTouched: Whether a worker has said, of an insured connection, that it
        reads or writes its first byte.
    @ivar arrival: Grows from one connection of a port to the next.
    """

    descriptor: int
    inode: int
    losses: int = 0
    arrival: int = 0
    isTouched: bool = False


class IConnectionReceiver(Interface):
    """
    Where an accepting port delivers.
    """

    def connectionsAccepted(connections: list[AcceptedConnection]) -> None:
        """
        The port accepted these, in this order, in one turn of the reactor.
        The receiver owns them.
        """


class IOpenPort(Interface):
    """
    A port that the primary has opened.
    """

    descriptor: int = Attribute("The descriptor to duplicate for a worker.")
    boundAddress: object = Attribute(
        "What the kernel said it was bound to, as C{getsockname} returned it."
    )
    isOpen: bool = Attribute(
        "Whether it is: whoever else has its socket can have ended it."
    )

    def isAt(descriptor: int) -> bool:
        """
        Whether its socket is still what the primary has under a number, as it was
        when it was opened for that.

        @param descriptor: Any number.
        """

    def startAccepting() -> None:
        """
        Accept connections from now on.  Nothing happens if it does so already,
        or if the port is one to share.
        """

    def stopAccepting() -> None:
        """
        Leave new connections in the kernel's backlog.
        """

    def isGivenUp(connection: AcceptedConnection) -> bool:
        """
        Whether the client of an accepted connection has gone, and left nothing to
        be read: whoever served it would serve nobody.
        """

    def leaveToOthers() -> None:
        """
        Another process listens on its socket, or is going to: do not end that when
        this is closed.
        """

    def close() -> None:
        """
        Close the port, and remove what it left in the file system.
        """


class IPortOpener(Interface):
    """
    The primary's way to the kernel's ports.
    """

    def openForHandoff(
        request: ListenRequest, receiver: IConnectionReceiver
    ) -> IOpenPort:
        """
        Open a port whose connections the primary accepts, once it is told to.

        @raise ListenRefused: if the kernel refuses.  Nothing is left behind.
        """

    def openToShare(request: ListenRequest) -> IOpenPort:
        """
        Open a port on which the workers accept or receive themselves.

        @raise ListenRefused: if the kernel refuses.  Nothing is left behind.
        """


@frozen
class WorkerChannels:
    """
    The primary's ends of the channels to one worker.

    @ivar stream: For everything that need not wait.
    @ivar query: On which the worker waits for each answer.
    @ivar handoff: On which connections are handed over; its transport is a
        L{IHandoffTransport}.
    """

    stream: IDescriptorProtocol
    query: IDescriptorProtocol
    handoff: IDescriptorProtocol


class ISpawner(Interface):
    """
    The primary's way to processes.
    """

    def spawn(
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        channels: WorkerChannels,
    ) -> dict[int, ITCPTransport]:
        """
        Start a worker process, with three channels to it.

        @param process: Represents it, and is told how it ends, in a later turn of
            the reactor.
        @param channels: Our ends of the channels.

        @return: By descriptor, our ends of its pipes beyond standard error, which
            lead both ways; what comes is told to C{process} as for the others.

        @raise OSError: if no process could be started; then none of the
            protocols was connected to anything.
        """


# -- on the worker's side


class IBorrowedPort(Interface):
    """
    A port of an application in a worker, whose connections the primary accepts.
    """

    def takeConnections(descriptors: Sequence[int], insured: bool) -> Sequence[int]:
        """
        Serve these connections.

        @param insured: Whether L{IPrimaryPorts.touch} has to be called of each
            before its first byte is read or written, and when it is closed.

        @return: Positions in C{descriptors} of those that the port does not
            take, because it is paused or closed.  The caller closes these; the
            port owns the others.
        """


class IPrimaryPorts(Interface):
    """
    The primary's ports, as a worker's reactor borrows them.
    """

    def borrow(request: ListenRequest) -> Loan:
        """
        Ask the primary for a port, and wait for its answer.

        Connections come only after L{startTaking}.

        @raise ListenRefused: if there is no such port to be had: the kernel
            refused, this worker has the same one already, or the primary is
            gone.
        """

    def startTaking(loan: Loan, port: IBorrowedPort) -> None:
        """
        Connections of this loan go to C{port} from now on.
        """

    def stopTaking(loan: Loan) -> None:
        """
        No connections of this loan for now.
        """

    hasTold: bool = Attribute(
        "Whether the primary is sure to hear what was said of connections, even if "
        "this process ends now."
    )

    def touch(inode: int) -> None:
        """
        The first byte of an insured connection is about to be read or written, but
        not before C{hasTold}; or the connection is closed.

        @param inode: The inode number of its socket.
        """

    def sendOn(loan: Loan) -> None:
        """
        The port is sent to another process, and goes on there when no worker has it
        any more.  Never raises.
        """

    def giveBack(loan: Loan) -> None:
        """
        The port was closed; another one may be borrowed at the same address
        when this returns.  Never raises: the primary may be gone.
        """


class IServing(Interface):
    """
    What a worker serves, as it is asked when it is to leave.
    """

    isListening: bool = Attribute("Whether a borrowed port is open.")

    def whenListening() -> Deferred[ListeningAddress]:
        """
        @return: Fires when a borrowed port is open for the first time.
        """

    def closePorts() -> Deferred[None]:
        """
        Close every borrowed port.

        @return: Fires when all are closed.
        """

    def whenServed() -> Deferred[None]:
        """
        @return: Fires when no connection of a borrowed port is open.
        """

    def whenIdle() -> Deferred[None]:
        """
        @return: Fires when nothing keeps the worker from ending.
        """

    def limitConnections(
        port: Any,
        limit: int | None,
        dropped: Callable[[IAddress, IAddress], object] | None,
    ) -> None:
        """
        Serve no more than so many connections of a port at a time.

        @param limit: How many; C{None} for any number.
        @param dropped: Called with both addresses of each connection that is
            closed because there are so many; C{None} leaves it to other workers.

        @raise ConfigurationError: if it is no borrowed port, or has no
            connections.
        """

    def owning() -> AbstractContextManager[None]:
        """
        @return: A context manager: ports that are opened meanwhile are this
            worker's own.
        """

    def onIPv6Only() -> AbstractContextManager[None]:
        """
        @return: A context manager: ports that are opened meanwhile leave IPv4
            alone.
        """

    def adoptStreamPort(
        descriptor: int, addressFamily: int, factory: Any
    ) -> IListeningPort:
        """
        Listen on a socket that the primary was given.

        @param descriptor: Its number in the primary.

        @raise CannotListenError: if the primary has no such socket.
        """

    def adoptDatagramPort(
        descriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int
    ) -> IListeningPort:
        """
        Receive on a UDP socket that the primary was given.

        @param descriptor: Its number in the primary.

        @raise CannotListenError: if the primary has no such socket.
        """


class IBlockingChannel(Interface):
    """
    A channel on which one waits for the answer.
    """

    def exchange(data: bytes) -> tuple[bytes, list[int]]:
        """
        Send C{data}, wait for bytes, and return them with the descriptors that
        came with them, which the caller owns.  An empty C{data} only waits.

        @raise ChannelClosed: if the other process is gone, or does not answer
            in time.
        """


# -- what travels along with messages


class ISending(Interface):
    """
    Something of the application's that is on its way to the other process.
    """

    handle: Any = Attribute("What to send with the message.")

    def delivered() -> None:
        """
        The other side has it.
        """

    def failed() -> None:
        """
        The other side will not have it.
        """


class IHandles(Interface):
    """
    Ports, transports and sockets, to and from descriptors.
    """

    def detach(thing: object, keepOpen: bool, unread: bytes) -> ISending:
        """
        Prepare something to be sent.

        @raise ConfigurationError: if it cannot be sent, or not now.
        """

    def attach(handle: Any) -> object:
        """
        Make something of what was received; it owns the descriptor.
        """


# -- for programs that use the library


class IClusterObserver(Interface):
    """
    Who is told what happens in a cluster.

    What a method raises is logged, and harms nobody.
    """

    def clusterSetUp(settings: dict[str, Any]) -> None:
        """
        The settings were changed.
        """

    def workerForked(worker: Any) -> None:
        """
        A worker was started.
        """

    def workerFailed(worker: Any, error: Exception) -> None:
        """
        A worker's process could not be started.
        """

    def workerOnline(worker: Any) -> None:
        """
        A worker's process has come up.
        """

    def workerListening(worker: Any, address: ListeningAddress) -> None:
        """
        A worker listens.
        """

    def workerMessage(worker: Any, message: object, handle: object) -> None:
        """
        A worker sent a message.
        """

    def workerDisconnected(worker: Any) -> None:
        """
        A worker's channel is closed.
        """

    def workerExited(worker: Any, exit: WorkerExit) -> None:
        """
        A worker's process has ended.
        """
