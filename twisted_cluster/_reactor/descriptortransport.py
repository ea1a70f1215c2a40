"""
A UNIX stream socket as a Twisted transport that carries descriptors.

Twisted's own C{unix.Server} sends one descriptor for each byte and system
call, leaves received ones open across C{exec}, and does not notice when the
kernel dropped some because this process has no room.  This one sends a whole
group with one C{sendmsg}, and says what arrived.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import termios
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import define
from twisted.internet import abstract, main
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._wire.descriptors import inodeOf
from twisted_cluster.interfaces import IDescriptorProtocol, IDescriptorTransport

DESCRIPTOR_LIMIT = 253
"""Linux's C{SCM_MAX_FD}: more in one C{sendmsg} fail with EINVAL."""

READ_SIZE = 122880
"""
How many bytes are read at once.  From 128 KiB on, glibc asks the kernel for such a
buffer each time, which takes five times as long as to read something short.
"""

PIECES_LIMIT = 512
"""How many pieces one C{sendmsg} is given; Linux takes 1024, POSIX has 16."""

BUFFER = 212992
"""
How many bytes the kernel is to keep for the other end.  Linux takes this as it is
from anybody, its own default, and has room for twice as many then.
"""

_TRUNCATED = int(socket.MSG_CTRUNC)
_ANCILLARY_SIZE = socket.CMSG_SPACE(DESCRIPTOR_LIMIT * array("i").itemsize)

# macOS has no such flag; there the descriptors are marked after they arrived.
_RECEIVE_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

# The kernel cannot take the message now, but may later.  ETOOMANYREFS: more
# descriptors of this user are on their way than one process may have open.
_LATER = frozenset({errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})

_OTHER_END_CLOSED = frozenset({errno.EPIPE, errno.ECONNRESET})

RETRY_DELAY = 0.01
"""
Seconds until a message is tried again that the kernel had no memory or no room
in its tables for: the socket stays writable meanwhile, so there is no event.
"""


def receive(channel: socket.socket) -> tuple[bytes, list[int] | None]:
    """
    Read once from a socket.

    @return: The bytes, and the group of descriptors that came with them; it is
        C{None} if none was sent, and shorter than what was sent if this process
        had no room for all.  They are close-on-exec, and the caller's to close.

    @raise OSError: as C{recvmsg} does.
    """
    data, ancillary, flags, _ = channel.recvmsg(
        READ_SIZE, _ANCILLARY_SIZE, _RECEIVE_FLAGS
    )
    if not ancillary and not flags & _TRUNCATED:
        return data, None
    descriptors = array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = len(content) - len(content) % descriptors.itemsize
            descriptors.frombytes(content[:whole])
    if not descriptors and not flags & _TRUNCATED:
        return data, None
    if not _RECEIVE_FLAGS:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
    return data, list(descriptors)


_Piece = bytes | memoryview


def _after(pieces: list[_Piece], sent: int) -> list[_Piece]:
    """
    What is left of pieces of which so many bytes were sent.
    """
    for place, piece in enumerate(pieces):
        if sent < len(piece):
            return [memoryview(piece)[sent:], *pieces[place + 1 :]]
        sent -= len(piece)
    return []


@define(eq=False)
class _Unsent:
    """
    Something that the kernel did not take yet.

    @ivar descriptors: Those that belong to the first of its bytes, by their numbers.
    @ivar inodes: What these numbers meant when it began to wait.
    """

    pieces: list[_Piece]
    descriptors: Sequence[int]
    inodes: Sequence[int | None] = ()

    def wait(self) -> None:
        """
        It is not sent at once.
        """
        self.inodes = [_inodeIfOpen(descriptor) for descriptor in self.descriptors]

    @property
    def isAsWritten(self) -> bool:
        """
        Whether the numbers still mean the same.  Whoever wrote it keeps them open
        until the other side has said that it has them; but the other side could say
        so before it has, to be sent somebody else's.
        """
        return self.inodes == [
            _inodeIfOpen(descriptor) for descriptor in self.descriptors
        ]


def _inodeIfOpen(descriptor: int) -> int | None:
    """
    Which open file a descriptor is; C{None} if it is none any more.
    """
    try:
        return inodeOf(descriptor)
    except OSError:
        return None


@implementer(IAddress)
class _NoAddress:
    """
    What an end of a socket pair has instead of an address.
    """


@implementer(IDescriptorTransport)
class DescriptorTransport(abstract.FileDescriptor):
    """
    One end of a channel, on a reactor.

    What is written is sent at once if the kernel takes it: a channel is idle
    nearly always, and asking the reactor first would cost two system calls and
    a turn for each box.

    @ivar reactor: Provides C{IReactorFDSet} and C{IReactorTime}.
    @ivar unsent: How many bytes are waiting.
    @ivar _waiting: What the kernel did not take yet.
    @ivar _retrying: Whether a timer is going to try again.
    @ivar _complained: Whether it was logged that something cannot be sent, and
        that is still so.
    @ivar _unheard: Whether the other end is closed, so that nothing that is
        written is read any more.
    """

    reactor: Any

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        channel: socket.socket,
        protocol: IDescriptorProtocol,
    ) -> None:
        """
        @param channel: A connected UNIX stream socket; the transport owns it.
        """
        super().__init__(reactor)
        channel.setblocking(False)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self._socket = channel
        self._protocol = protocol
        self._waiting: deque[_Unsent] = deque()
        self._retrying = False
        self._complained = False
        self._unheard = False
        self.unsent = 0
        self.connected = 1

    def open(self) -> None:
        """
        Connect the protocol, and begin to read.
        """
        self._protocol.makeConnection(self)
        self.startReading()

    def fileno(self) -> int:
        """
        The socket's descriptor.
        """
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """
        Messages that are logged while this is read belong to its protocol.
        """
        return self._getLogPrefix(self._protocol)

    def getHost(self) -> IAddress:
        """
        A socket pair has no address.
        """
        return _NoAddress()

    getPeer = getHost

    # -- reading

    def doRead(self) -> Exception | None:
        """
        Read once, and deliver.
        """
        _, lost = self._readOnce()
        return lost

    def readToTheEnd(self) -> None:
        """
        Read and deliver, now, what the other end has written so far.
        """
        if not self.connected:
            return
        unread = array("i", [0])
        # Only what is there now: somebody may go on writing for ever.
        fcntl.ioctl(self._socket, termios.FIONREAD, unread)
        left = unread[0]
        while left > 0 and self.connected and not self.disconnecting:
            try:
                size, lost = self._readOnce()
            except Exception as e:
                # As the reactor does, which is not there to do it.
                self._log.failure("reading what was left on a channel failed")
                size, lost = 0, e
            if lost is not None:
                self.connectionLost(Failure(lost))
            elif not size:
                # Somebody else reads this socket, too.
                return
            left -= size

    def _readOnce(self) -> tuple[int, Exception | None]:
        """
        Read once, and deliver.

        @return: How many bytes there were, and why the channel is lost, if it is.
        """
        try:
            data, descriptors = receive(self._socket)
        except (BlockingIOError, InterruptedError):
            return 0, None
        except OSError:
            return 0, main.CONNECTION_LOST
        if descriptors is not None:
            self._protocol.descriptorsReceived(descriptors)
        if not data:
            return 0, main.CONNECTION_DONE
        self._protocol.dataReceived(data)
        return len(data), None

    # -- writing

    def write(self, data: bytes) -> None:
        """
        Send bytes.
        """
        self._send([data], ())

    def writeSequence(self, iovec: Iterable[_Piece]) -> None:
        """
        Send bytes that are in pieces.
        """
        self._send(list(iovec), ())

    def writeWithDescriptors(self, data: bytes, descriptors: Sequence[int]) -> None:
        """
        Send bytes, and with the first of them descriptors.
        """
        if len(descriptors) > DESCRIPTOR_LIMIT:
            raise ValueError(f"{len(descriptors)} descriptors in one message")
        if data:
            self._send([data], descriptors)

    def _send(self, pieces: list[_Piece], descriptors: Sequence[int]) -> None:
        """
        Send what the kernel takes, and keep the rest.
        """
        if not self.connected or self.disconnecting or self._unheard:
            return
        message = _Unsent(pieces, descriptors)
        self._waiting.append(message)
        self.unsent += sum(map(len, pieces))
        if len(self._waiting) == 1:
            try:
                lost = self._flush()
            except BaseException:
                # No mistake of the kernel's: the caller has no stack left, perhaps.
                self.startWriting()
                raise
            if lost is not None:
                # The caller is in the middle of something; the protocol must
                # not be told before it is done.
                self.reactor.callLater(0, self._lost, lost)
        if message.descriptors:
            message.wait()

    def doWrite(self) -> Exception | None:
        """
        Send what is waiting; the kernel has room again.
        """
        lost = self._flush()
        if lost is None and not self._waiting:
            self._complained = False
            self.stopWriting()
            if self.disconnecting:
                closing: Exception | None = self._postLoseConnection()
                return closing
        return lost

    def _flush(self) -> Exception | None:
        """
        Send until nothing is waiting, or the kernel takes no more.
        """
        while self._waiting:
            message = self._waiting[0]
            if message.inodes and not message.isAsWritten:
                self._log.error("a descriptor was closed before it could be sent")
                return main.CONNECTION_LOST
            try:
                sent = self._sendOnce(message.pieces, message.descriptors)
            except (BlockingIOError, InterruptedError):
                self.startWriting()
                return None
            except OSError as e:
                return self._sendFailed(e)
            self.unsent -= sent
            message.pieces = _after(message.pieces, sent)
            message.descriptors = message.inodes = ()
            if not message.pieces:
                self._waiting.popleft()
        return None

    def _sendOnce(self, pieces: list[_Piece], descriptors: Sequence[int]) -> int:
        """
        One system call.

        @return: How many bytes it took.
        """
        if descriptors:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
            return self._socket.sendmsg(pieces, [rights])
        if len(pieces) == 1:
            return self._socket.send(pieces[0])
        return self._socket.sendmsg(pieces[:PIECES_LIMIT], [])

    def _sendFailed(self, error: OSError) -> Exception | None:
        """
        Decide what a failure of the system call means for the channel.

        @return: Why it is lost, or C{None} if it is not, or not yet.
        """
        if error.errno in _LATER:
            if not self._complained:
                self._complained = True
                self._log.warn(
                    "a message to another process cannot be sent at present: {error}; "
                    "it is tried again until it can",
                    error=error,
                )
            self._tryAgainLater()
            return None
        if error.errno in _OTHER_END_CLOSED and not self.disconnecting:
            # What it wrote before is still to be read: its last answers.  After
            # them comes the end of file, and that ends the channel.
            self._unheard = True
            self._forget()
            self.stopWriting()
            return None
        return main.CONNECTION_LOST

    def _tryAgainLater(self) -> None:
        """
        Let a timer try again what no event is going to announce.
        """
        self.stopWriting()
        if not self._retrying:
            self._retrying = True
            self.reactor.callLater(RETRY_DELAY, self._tryAgain)

    def _tryAgain(self) -> None:
        """
        The timer is over.
        """
        self._retrying = False
        if self.connected:
            self.startWriting()

    # -- closing

    def abortConnection(self) -> None:
        """
        Close without sending what waits: the other end may never read it.
        """
        if self.connected:
            self.disconnecting = True
            self.stopReading()
            self.stopWriting()
            self._forget()
            # The caller is likely to be the protocol.
            self.reactor.callLater(0, self._lost, main.CONNECTION_LOST)

    def _forget(self) -> None:
        """
        Nothing that waits is going to be sent.
        """
        self._waiting.clear()
        self.unsent = 0

    def _lost(self, reason: Exception) -> None:
        """
        Report, outside of any caller's business, what a write found out.
        """
        if self.connected:
            self.connectionLost(Failure(reason))

    def connectionLost(self, reason: Failure) -> None:
        """
        Close the socket, and tell the protocol.
        """
        if not self.connected:
            return
        super().connectionLost(reason)
        self._forget()
        self._socket.close()
        self._protocol.connectionLost(reason)
