"""
The primary, as a service: its parts put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from twisted_cluster._primary.fleet import Fleet
from twisted_cluster._primary.roster import Roster
from twisted_cluster._reactor.inheriting import givenToThisProcess
from twisted_cluster._reactor.portopener import PortOpener
from twisted_cluster._reactor.signals import whenAskedAgain
from twisted_cluster._reactor.spawning import Spawner
from twisted_cluster._run.exiting import exitNonZero
from twisted_cluster._run.journal import Journal
from twisted_cluster.errors import FailedToStart, ListenRefused
from twisted_cluster.listening import ListenRequest
from twisted_cluster.settings import ClusterSettings


class ClusterService(Service):
    """
    Runs a cluster from C{startService} to C{stopService}.

    @ivar _roster: Made when the service is started, which is after the
        process has become a daemon; until then nothing listens and nothing is
        spawned.
    """

    _log = Logger()

    def __init__(
        self,
        settings: ClusterSettings,
        bindings: Sequence[ListenRequest] = (),
        reactor: Any = None,
    ) -> None:
        """
        @param bindings: Ports to open at once, with the privileges that the
            process has then, before any worker asks for them.
        @param reactor: The global one if it is not given.
        """
        self._settings = settings
        self._bindings = bindings
        self._reactor = reactor
        self._roster: Roster | None = None
        self._fleet: Fleet | None = None

    def privilegedStartService(self) -> None:
        """
        Open the ports that may need privileges.
        """
        super().privilegedStartService()
        self._open()

    def startService(self) -> None:
        """
        Start the workers.
        """
        super().startService()
        roster = self._open()
        self._fleet = Fleet(roster, self._settings, self._reactor, self._gaveUp)
        roster.addObserver(Journal(self._settings.workers))
        self._fleet.start()

    def stopService(self) -> Deferred[None]:
        """
        Close the ports, and stop the workers.

        The ports come first: from now on nobody is going to serve what connects,
        and whoever tries should learn it at once.

        @return: Fires when no worker process is left.
        """
        super().stopService()
        assert self._roster is not None
        assert self._fleet is not None
        roster, self._roster = self._roster, None
        roster.shutDown()
        stopped = self._fleet.stop()
        if not stopped.called:
            noLonger = whenAskedAgain(self._reactor, self._hurry)
            stopped.addCallback(lambda _: noLonger())
        return stopped

    def _open(self) -> Roster:
        """
        Make the roster, and open its early ports, once: twistd starts services
        in two steps, twist in one.

        @raise ListenRefused: if the kernel refuses one of the ports.
        """
        if self._roster is None:
            if self._reactor is None:
                from twisted.internet import reactor

                self._reactor = reactor
            self._roster = Roster(
                self._settings.policy,
                self._settings.handoff,
                Spawner(self._reactor, givenToThisProcess()),
                PortOpener(self._reactor),
                self._reactor,
                ports=self._settings.ports,
            )
            for request in self._bindings:
                try:
                    self._roster.hold(request)
                except ListenRefused as e:
                    # It ends the process: say which one it was.
                    raise ListenRefused(e.errno, f"{e.reason}: {request}") from None
        return self._roster

    def _gaveUp(self, error: FailedToStart) -> None:
        """
        The program cannot be started: say so, and end.
        """
        self._log.critical("giving up: {error}", error=error)
        exitNonZero(self._reactor)

    def _hurry(self) -> None:
        """
        Asked to stop a second time.
        """
        self._log.warn("asked to stop again: killing the workers that are left")
        if self._fleet is not None:
            self._fleet.killAll()
