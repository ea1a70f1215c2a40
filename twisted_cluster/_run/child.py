"""
The worker process: C{python -m twisted_cluster._run.child WORDS...}.

Puts the worker's parts together, and runs the program that the words describe.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from twisted_cluster._reactor.blockingchannel import BlockingChannel
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.layer import layerWhenInstalled
from twisted_cluster._reactor.orphans import dieWith
from twisted_cluster._reactor.spawning import CHANNELS_VARIABLE, WORKER_VARIABLE
from twisted_cluster._run.program import runProgram
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._worker.booting import Boot
from twisted_cluster.errors import ChannelError, NotAWorker


def channelsFromEnvironment() -> tuple[socket.socket, socket.socket]:
    """
    The channels that the primary gave this process: stream and query.

    What marks this process as a worker is removed, and the channels are closed
    on exec, so that nothing that the program starts is taken for a worker.

    @raise NotAWorker: if no primary started this process.
    """
    markers = os.environ.pop(CHANNELS_VARIABLE, None)
    os.environ.pop(WORKER_VARIABLE, None)
    if markers is None:
        raise NotAWorker(
            "this module is what a cluster's primary runs; use `twistd cluster` to "
            "start a cluster"
        )
    stream, query = (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=int(number))
        for number in markers.split(",")
    )
    stream.set_inheritable(False)
    query.set_inheritable(False)
    return stream, query


def bootWorker() -> None:
    """
    Make this process a worker: announced to its primary, with a reactor that
    borrows its ports as soon as there is one.
    """
    primary = os.getppid()
    stream, query = channelsFromEnvironment()
    dieWith(primary)
    # A terminal signals the whole group of the process in its foreground, and so
    # do others; what becomes of the workers is for the primary to decide.
    os.setpgid(0, 0)
    boot = Boot(QueryClient(BlockingChannel(query)))
    boot.announce()

    def installed(reactor: Any) -> None:
        transport = DescriptorTransport(reactor, stream, boot.link)
        # So that the application's own removeAll(), and a test runner's look
        # for what was left behind, pass it over.
        reactor._addInternalReader(transport)
        transport.open()
        # Once more when the program has changed its user, if it does.
        reactor.callWhenRunning(dieWith, primary)
        boot.reactorInstalled(reactor)

    layerWhenInstalled(boot.ports, installed)


def main() -> None:
    """
    Run a worker.
    """
    try:
        bootWorker()
    except (ChannelError, NotAWorker) as e:
        sys.exit(str(e))
    runProgram(sys.argv[1:])


if __name__ == "__main__":
    main()
