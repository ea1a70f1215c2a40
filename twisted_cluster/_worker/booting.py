"""
What a worker does between its process's start and its program's.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.toprimary import WIRE_VERSION, Announce
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster._worker.primaryports import PrimaryPorts
from twisted_cluster.errors import ChannelError


class Boot:
    """
    Brings a worker up: it announces itself before its program is loaded, and
    says that it runs when its program's reactor does.

    @ivar link: Our end of the stream channel, to be connected to a transport
        once there is a reactor.
    @ivar ports: What the reactor borrows its ports from.
    """

    _log = Logger()

    def __init__(self, query: QueryClient) -> None:
        self._query = query
        self._reactor: Any = None
        self.link = PrimaryLink(self._primaryLost)
        self.ports = PrimaryPorts(query, self.link)

    def announce(self) -> None:
        """
        Tell the primary that this process has come up.

        @raise ChannelError: if the primary is gone, or speaks another version
            of the wire.
        """
        answer = self._query.ask(Announce, wireVersion=WIRE_VERSION)
        if answer["wireVersion"] != WIRE_VERSION:
            raise ChannelError(
                "the primary and this worker run releases of twisted-cluster that "
                "do not understand each other; restart the primary"
            )

    def reactorInstalled(self, reactor: Any) -> None:
        """
        Follow the reactor's life: it runs, it stops.

        @param reactor: Provides C{IReactorCore}; the link is connected already.
        """
        self._reactor = reactor
        reactor.callWhenRunning(self.link.reportRunning)
        # Registered before any application could: what the application closes
        # while it shuts down is left to its successor.
        reactor.addSystemEventTrigger("before", "shutdown", self._leave)

    def _leave(self) -> None:
        """
        The reactor is stopping.
        """
        self.ports.leaving = True

    def _primaryLost(self) -> None:
        """
        Without a primary nobody can reach this worker.
        """
        stopping, self.ports.leaving = self.ports.leaving, True
        if not stopping and self._reactor is not None and self._reactor.running:
            self._log.warn("the primary is gone; stopping")
            self._reactor.stop()
