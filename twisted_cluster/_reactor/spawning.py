"""
Starting worker processes, with the channels that lead to them.
"""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from typing import Any

from twisted.internet.interfaces import IProcessProtocol
from zope.interface import implementer

from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster.interfaces import IDescriptorProtocol, ISpawner
from twisted_cluster.settings import WorkerProgram

WORKER_VARIABLE = "TWISTED_CLUSTER_WORKER_ID"
CHANNELS_VARIABLE = "TWISTED_CLUSTER_CHANNELS"
"""
The two environment variables that make a process a worker: its number, and the
descriptors of its stream and query channels.  The worker removes both before
its program runs, so that what the program starts is no worker.
"""

_STREAM, _QUERY = 3, 4


@implementer(ISpawner)
class Spawner:
    """
    Starts workers with C{reactor.spawnProcess}.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: Provides C{IReactorProcess}, C{IReactorFDSet} and
            C{IReactorTime}.
        """
        self._reactor = reactor

    def spawn(
        self,
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        stream: IDescriptorProtocol,
        query: IDescriptorProtocol,
    ) -> None:
        """
        Start a worker process, and connect both channels.
        """
        with ExitStack() as unlessStarted, ExitStack() as always:
            ourStream, theirStream = socket.socketpair()
            unlessStarted.callback(ourStream.close)
            always.callback(theirStream.close)
            ourQuery, theirQuery = socket.socketpair()
            unlessStarted.callback(ourQuery.close)
            always.callback(theirQuery.close)
            self._spawnProcess(process, program, workerID, theirStream, theirQuery)
            unlessStarted.pop_all()
        DescriptorTransport(self._reactor, ourStream, stream).open()
        DescriptorTransport(self._reactor, ourQuery, query).open()

    def _spawnProcess(
        self,
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        stream: socket.socket,
        query: socket.socket,
    ) -> None:
        """
        Start the process itself.  Of the primary's descriptors it inherits the
        channels, and the standard output and error if the program says so.
        """
        environment = dict(program.environment)
        environment[WORKER_VARIABLE] = str(workerID)
        environment[CHANNELS_VARIABLE] = f"{_STREAM},{_QUERY}"
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            self._reactor.spawnProcess(
                process,
                sys.executable,
                [sys.executable, *program.arguments],
                env=environment,
                path=program.cwd,
                uid=program.uid,
                gid=program.gid,
                childFDs={
                    0: nothing,
                    1: 1 if program.inheritOutput else "r",
                    2: 2 if program.inheritOutput else "r",
                    _STREAM: stream.fileno(),
                    _QUERY: query.fileno(),
                },
            )
        finally:
            os.close(nothing)
