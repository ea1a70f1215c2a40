"""
Whether a reactor still waits for anything of the application's.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from twisted_cluster.observing import Occasion


class Idleness:
    """
    Watches a reactor until it waits for no descriptor of the application's.

    Made when somebody wants to know, and not before: what it does to the reactor's
    C{removeReader} and C{removeWriter} costs, and they are called several times for
    each connection.
    """

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: The layered reactor; C{IReactorFDSet}.
        """
        self._reactor = reactor
        self._idle: Occasion[None] = Occasion()
        self._watch("removeReader")
        self._watch("removeWriter")
        self._look()

    def when(self) -> Deferred[None]:
        """
        @return: Fires when the reactor waits for no descriptor of the
            application's any more.  Timers do not count: nearly every Twisted
            program has one that never ends.
        """
        return self._idle.when()

    def _watch(self, name: str) -> None:
        """
        Look whenever this method of the reactor was called.
        """
        remove = getattr(self._reactor, name)

        def removeAndLook(descriptor: object) -> None:
            remove(descriptor)
            # What is removed here may be added again in the same turn.
            self._reactor.callLater(0, self._look)

        setattr(self._reactor, name, removeAndLook)

    def _look(self) -> None:
        """
        Tell if the last descriptor is gone.
        """
        waitedFor = {*self._reactor.getReaders(), *self._reactor.getWriters()}
        if not waitedFor - self._reactor._internalReaders:
            self._idle.happened(None)
