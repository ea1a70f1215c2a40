"""
What a worker does between its process's start and its program's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster._wire.toprimary import WIRE_VERSION, Announce
from twisted_cluster._worker.leaving import Leaving
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster._worker.takinglink import TakingLink
from twisted_cluster._worker.thisworker import ThisWorker
from twisted_cluster.errors import ChannelError
from twisted_cluster.workerapi import WorkerStream


class Boot:
    """
    Brings a worker up: it announces itself before its program is loaded, and
    says that it runs when its program's reactor does.

    @ivar link: Our end of the stream channel, to be connected to a transport
        once there is a reactor.
    @ivar handoffs: Our end of the hand-off channel; likewise.
    @ivar ports: What the reactor borrows its ports from.
    @ivar worker: What the program is to know of itself.
    @ivar pipes: Which descriptors of this process are pipes to the primary.
    """

    _log = Logger()

    link: PrimaryLink
    handoffs: TakingLink
    ports: PrimaryPorts
    worker: ThisWorker
    pipes: Sequence[int]

    def __init__(self, query: QueryClient, orphanTime: float = 0.0) -> None:
        """
        @param orphanTime: How many seconds this process may go on without a
            primary.
        """
        self._query = query
        self._orphanTime = orphanTime
        self._reactor: Any = None

    def announce(self) -> None:
        """
        Tell the primary that this process has come up, and learn from it what
        there is to know.

        @raise ChannelError: if the primary is gone, or speaks another version
            of the wire.
        """
        answer = self._query.ask(Announce, wireVersion=WIRE_VERSION)
        if answer["wireVersion"] != WIRE_VERSION:
            raise ChannelError(
                "the primary and this worker run releases of twisted-cluster that "
                "do not understand each other; restart the primary"
            )
        codec = codecNamed(answer["serialization"])
        self.link = PrimaryLink(codec, self._askedToLeave, self._channelLost)
        self.handoffs = TakingLink()
        self.ports = PrimaryPorts(self._query, self.handoffs)
        self._leaving = Leaving(self.ports, self.link, self._stop)
        self.worker = ThisWorker(answer["worker"], self.link, self._leaving)
        self.pipes = answer["pipes"] or ()

    def reactorInstalled(
        self,
        reactor: Any,
        correspondence: Correspondence,
        streams: Mapping[int, WorkerStream],
    ) -> None:
        """
        Follow the reactor's life: it runs, it stops.

        @param reactor: The layered reactor; the links are connected already.
        @param streams: By descriptor, the C{pipes} to the primary.
        """
        self._reactor = reactor
        self._leaving.clock = reactor
        self.worker.reactorInstalled(reactor.serving, correspondence, streams)
        reactor.callWhenRunning(self.link.reportRunning)
        # Registered before any application could: what the application closes
        # while it shuts down is left to its successor.
        reactor.addSystemEventTrigger("before", "shutdown", self._stopping)

    def _stopping(self) -> None:
        """
        The reactor is stopping.
        """
        self.ports.leaving = True

    def _askedToLeave(self) -> None:
        """
        The primary wants this worker to leave.
        """
        self.worker.leaveAsAsked()

    def _channelLost(self) -> None:
        """
        The channel is closed.  If that was not wanted, nobody can reach this
        worker any more, and it ends.
        """
        stopping, self.ports.leaving = self.ports.leaving, True
        self.worker.channelLost()
        if stopping or not self._reactor.running:
            return
        if self._orphanTime:
            self._log.warn(
                "the primary is gone; finishing with the clients, for {seconds:g} s",
                seconds=self._orphanTime,
            )
            self._reactor.callLater(self._orphanTime, self._stop)
            self._leaving.finish(self._reactor.serving)
        else:
            self._log.warn("the primary is gone; stopping")
            self._stop()

    def _stop(self) -> None:
        """
        End.
        """
        with suppress(ReactorNotRunning):
            self._reactor.stop()
