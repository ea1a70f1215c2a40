"""
The worker process: C{python -m twisted_cluster._run.child WORDS...}.

Puts the worker's parts together, and runs the program that the words describe.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from twisted_cluster._reactor.blockingchannel import BlockingChannel
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.flushing import flush
from twisted_cluster._reactor.handles import Handles
from twisted_cluster._reactor.inheriting import inheritFrom
from twisted_cluster._reactor.layer import layerWhenInstalled
from twisted_cluster._reactor.orphans import dieWith, liveOn, outlive
from twisted_cluster._reactor.ownpipe import ownStream
from twisted_cluster._reactor.spawning import CHANNELS_VARIABLE, WORKER_VARIABLE
from twisted_cluster._run import role
from twisted_cluster._run.orders import WorkerOrders
from twisted_cluster._run.program import runProgram
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._worker.booting import Boot
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster.errors import ChannelError, NotAWorker

LAST_WORDS_TIME = 5.0
"""
How many seconds a worker's end may wait for the primary to take its messages.
"""


@frozen
class _Channels:
    """
    A worker's ends of the channels.
    """

    stream: socket.socket
    query: socket.socket
    handoff: socket.socket


def channelsFromEnvironment() -> _Channels:
    """
    The channels that the primary gave this process.

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
    # Their types are for the kernel to say.
    channels = [socket.socket(fileno=int(number)) for number in markers.split(",")]
    for channel in channels:
        channel.set_inheritable(False)
    return _Channels(*channels)


def bootWorker(words: Sequence[str]) -> None:
    """
    Make this process a worker: announced to its primary, with a reactor that
    borrows its ports as soon as there is one.

    @param words: Its orders, as L{WorkerOrders.toWords} writes them.
    """
    primary = os.getppid()
    channels = channelsFromEnvironment()
    orphanTime = WorkerOrders.fromWords(words).orphanTime
    # Until there is a reactor, there is nothing to finish.
    dieWith(primary)
    inherited = inheritFrom(primary)
    # A terminal signals the whole group of the process in its foreground, and so
    # do others; what becomes of the workers is for the primary to decide.
    os.setpgid(0, 0)
    boot = Boot(QueryClient(BlockingChannel(channels.query)), orphanTime)
    boot.announce()
    role.thisWorker = boot.worker

    def mayOutlive(reactor: Any) -> None:
        outlive(primary, orphanTime, reactor.serving.abandonPorts)
        liveOn()

    def installed(reactor: Any) -> None:
        transport = DescriptorTransport(reactor, channels.stream, boot.link)
        handoffs = DescriptorTransport(reactor, channels.handoff, boot.handoffs)
        for each in (transport, handoffs):
            # So that the application's own removeAll(), and a test runner's look
            # for what was left behind, pass it over.
            reactor._addInternalReader(each)
            each.open()
        atexit.register(_sayLastWords, os.getpid(), transport, boot.link)
        # When the program has changed its user, if it does: the kernel has
        # forgotten it then.
        if orphanTime:
            reactor.callWhenRunning(mayOutlive, reactor)
        else:
            reactor.callWhenRunning(dieWith, primary)
        boot.reactorInstalled(
            reactor,
            Correspondence(boot.link, Handles(reactor), reactor),
            {number: ownStream(reactor, number) for number in boot.pipes},
        )

    layerWhenInstalled(boot.ports, installed, inherited)


def _sayLastWords(pid: int, transport: DescriptorTransport, link: PrimaryLink) -> None:
    """
    However a program ends in an orderly way: deliver what it sent.

    @param pid: The worker's process, which may not be this one: a program can
        fork.
    """
    if os.getpid() == pid:
        link.sayLastWords()
        flush(transport, lambda: link.isHeard, LAST_WORDS_TIME)


def main() -> None:
    """
    Run a worker.
    """
    try:
        bootWorker(sys.argv[1:])
    except (ChannelError, NotAWorker) as e:
        sys.exit(str(e))
    runProgram(sys.argv[1:])


if __name__ == "__main__":
    main()
