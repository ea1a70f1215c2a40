"""
Starting worker processes, with the channels that lead to them.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from stat import S_ISDIR
from typing import Any

from twisted.internet.interfaces import (
    IProcessProtocol,
    IProcessTransport,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import (
    Factory,
    ProcessProtocol,
    Protocol,
    connectionDone,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.handofftransport import HandoffTransport, handoffPair
from twisted_cluster._reactor.inheriting import inheritable
from twisted_cluster.interfaces import ISpawner, WorkerChannels
from twisted_cluster.settings import WorkerProgram

WORKER_VARIABLE = "TWISTED_CLUSTER_WORKER_ID"
CHANNELS_VARIABLE = "TWISTED_CLUSTER_CHANNELS"
"""
The two environment variables of a worker's process: its number, for whoever looks at
the process, and what makes it a worker, the descriptors of its stream, query and
hand-off channels.  It removes both before its program runs, so that what the program
starts is no worker.
"""

_PIPES = {0: "w", 1: "r", 2: "r"}
"""
Which way a pipe to a descriptor of the worker's leads; any other leads both ways.
"""


def _requireDirectory(path: str) -> None:
    """
    The new process would find out itself, but could only tell its standard error.

    @raise OSError: if there is no such directory.
    """
    if not S_ISDIR(os.stat(path).st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)


def _requireDescriptor(number: int) -> None:
    """
    The kernel would not say which is missing.

    @raise OSError: if there is no such descriptor to give to a worker.
    """
    try:
        os.fstat(number)
    except OSError as e:
        raise OSError(e.errno, f"{e.strerror}: descriptor {number}") from None


def _requireUser(uid: int) -> None:
    """
    Twisted looks up the groups of the user in the new process, which ends with a
    traceback if there is none.

    @raise OSError: if the machine knows no such user.
    """
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise OSError(
            errno.EINVAL, f"the machine knows no user with the number {uid}"
        ) from None


class _EndToldLater(ProcessProtocol):
    """
    Tells how a process ends in a turn of the reactor of its own.

    Twisted looks for ended processes also while it starts one, and while the reactor
    starts.  Whoever is told then and stops the reactor, as trial does when that ends a
    test, gets a reactor that hears of no end any more in its next run.
    """

    def __init__(self, process: IProcessProtocol, clock: IReactorTime) -> None:
        self._process = process
        self._clock = clock

    def makeConnection(self, process: IProcessTransport) -> None:
        """
        It is started.
        """
        self._process.makeConnection(process)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It wrote into a pipe.
        """
        self._process.childDataReceived(childFD, data)

    def childConnectionLost(self, childFD: int) -> None:
        """
        It, and everything that it started, has closed a pipe.
        """
        self._process.childConnectionLost(childFD)

    def processExited(self, reason: Failure) -> None:
        """
        It has ended.
        """
        self._clock.callLater(0, self._process.processExited, reason)

    def processEnded(self, reason: Failure) -> None:
        """
        And so have its pipes.
        """
        self._clock.callLater(0, self._process.processEnded, reason)


class _Pipe(Protocol):
    """
    Our end of a pipe that leads both ways.
    """

    def __init__(self, process: IProcessProtocol, descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor

    def dataReceived(self, data: bytes) -> None:
        """
        The process wrote something.
        """
        self._process.childDataReceived(self._descriptor, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It, and everything that it started, has closed the pipe.
        """
        self._process.childConnectionLost(self._descriptor)


@implementer(ISpawner)
class Spawner:
    """
    Starts workers with C{reactor.spawnProcess}.
    """

    def __init__(self, reactor: Any, inherited: Sequence[int] = ()) -> None:
        """
        @param reactor: Provides C{IReactorProcess}, C{IReactorFDSet} and
            C{IReactorTime}.
        @param inherited: Descriptors that workers have under the same number as
            this process.
        """
        self._reactor = reactor
        self._inherited = inherited

    def spawn(
        self,
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        channels: WorkerChannels,
    ) -> dict[int, ITCPTransport]:
        """
        Start a worker process, and connect the channels.

        @raise OSError: if that is impossible.
        """
        if program.cwd:
            _requireDirectory(program.cwd)
        if program.uid is not None:
            _requireUser(program.uid)
        for how in program.stdio:
            if isinstance(how, int):
                _requireDescriptor(how)
        pipes: dict[int, ITCPTransport] = {}
        theirs: dict[int, socket.socket] = {}
        with ExitStack() as unlessStarted, ExitStack() as always:
            ourStream, theirStream = socket.socketpair()
            unlessStarted.callback(ourStream.close)
            always.callback(theirStream.close)
            ourQuery, theirQuery = socket.socketpair()
            unlessStarted.callback(ourQuery.close)
            always.callback(theirQuery.close)
            # The worker's end of this one stays open here, too.
            ourHandoff, theirHandoff = handoffPair()
            unlessStarted.callback(ourHandoff.close)
            unlessStarted.callback(theirHandoff.close)
            for number, how in enumerate(program.stdio):
                if how == "pipe" and number not in _PIPES:
                    ours, theirs[number] = socket.socketpair()
                    always.callback(theirs[number].close)
                    # Before there is a process: this may fail, too.
                    pipes[number] = self._connect(ours, _Pipe(process, number))
                    unlessStarted.callback(pipes[number].abortConnection)
            self._spawnProcess(
                process,
                program,
                workerID,
                (theirStream, theirQuery, theirHandoff),
                theirs,
            )
            unlessStarted.pop_all()
        DescriptorTransport(self._reactor, ourStream, channels.stream).open()
        DescriptorTransport(self._reactor, ourQuery, channels.query).open()
        HandoffTransport(
            self._reactor, ourHandoff, theirHandoff, channels.handoff
        ).open()
        return pipes

    def _connect(self, end: socket.socket, protocol: _Pipe) -> ITCPTransport:
        """
        Give a socket to a protocol.
        """
        factory = Factory.forProtocol(lambda: protocol)
        with end:
            end.setblocking(False)
            transport: ITCPTransport = self._reactor.adoptStreamConnection(
                end.fileno(), socket.AF_UNIX, factory
            )
        return transport

    def _spawnProcess(
        self,
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        channels: Sequence[socket.socket],
        pipes: Mapping[int, socket.socket],
    ) -> None:
        """
        Start the process itself.
        """
        streams = len(program.stdio)
        # More streams than usual have the numbers for themselves.
        inherited = (
            self._inherited if streams <= min(self._inherited, default=0) else ()
        )
        first = max([streams - 1, *inherited]) + 1
        numbers = range(first, first + len(channels))
        environment = dict(program.environment)
        environment.update(inheritable(inherited))
        environment[WORKER_VARIABLE] = str(workerID)
        environment[CHANNELS_VARIABLE] = ",".join(map(str, numbers))
        nothing = os.open(os.devnull, os.O_RDWR)
        try:
            self._reactor.spawnProcess(
                _EndToldLater(process, self._reactor),
                sys.executable,
                [sys.executable, *program.arguments],
                env=environment,
                path=program.cwd,
                uid=program.uid,
                gid=program.gid,
                childFDs={
                    **_streams(program, pipes, nothing),
                    **{number: number for number in inherited},
                    **{
                        number: channel.fileno()
                        for number, channel in zip(numbers, channels, strict=True)
                    },
                },
            )
        finally:
            os.close(nothing)


def _streams(
    program: WorkerProgram, pipes: Mapping[int, socket.socket], nothing: int
) -> dict[int, int | str]:
    """
    What a worker's standard streams are, and those beyond them, as C{spawnProcess}
    takes it.

    @param nothing: A descriptor that reads and writes nothing.
    """
    streams: dict[int, int | str] = {}
    for number, how in enumerate(program.stdio):
        if isinstance(how, int):
            streams[number] = how
        elif how == "ignore":
            streams[number] = nothing
        elif how == "inherit":
            streams[number] = number
        else:
            streams[number] = _PIPES.get(number) or pipes[number].fileno()
    return streams
