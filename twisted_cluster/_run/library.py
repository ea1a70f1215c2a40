"""
The library's parts put together, for one process: primary or worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList

from twisted_cluster._primary.cluster import Cluster as _Cluster
from twisted_cluster._primary.forkedworker import ForkedWorker
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._primary.workeroutput import emitted
from twisted_cluster._reactor.handles import Handles
from twisted_cluster._reactor.inheriting import givenToThisProcess
from twisted_cluster._reactor.portopener import PortOpener
from twisted_cluster._reactor.spawning import Spawner
from twisted_cluster._run.interpreter import currentInterpreterFlags, workerEnvironment
from twisted_cluster._run.orders import ProgramKind, WorkerOrders
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster.errors import ClusterStopping, ConfigurationError
from twisted_cluster.settings import (
    HandoffSettings,
    PortSettings,
    PrimarySettings,
    SchedulingPolicy,
    SupervisionSettings,
    WorkerProgram,
    environmentVariables,
)

_Record = TypeVar("_Record", HandoffSettings, SupervisionSettings, PortSettings)


class _ThisProcess:
    """
    The process that the primary is, and a reactor in it.
    """

    def __init__(
        self,
        reactor: Any,
        handoff: HandoffSettings,
        ports: PortSettings,
        orphanTime: float,
    ) -> None:
        self._reactor = reactor
        self._handoff = handoff
        self._ports = ports
        self._orphanTime = orphanTime

    def defaults(self) -> PrimarySettings:
        """
        The settings that run this program again, as it was started.
        """
        main = sys.modules.get("__main__")
        spec = getattr(main, "__spec__", None)
        if spec is None:
            # Absolute: the program may change its directory before it forks.  What
            # came from the command line or the terminal is in no file.
            program = os.path.abspath(getattr(main, "__file__", None) or sys.argv[0])
            program = program if os.path.isfile(program) else ""
        elif spec.name == "__main__":
            # A directory or an archive, which has no other name for it.
            program = ""
        else:
            program = "-m " + spec.name.removesuffix(".__main__")
        return PrimarySettings(
            exec=program, args=sys.argv[1:], execArgv=currentInterpreterFlags()
        )

    def program(
        self, settings: PrimarySettings, environment: Mapping[str, object]
    ) -> WorkerProgram:
        """
        The command that a worker runs.
        """
        directory = os.getcwd()
        if settings.exec.startswith("-m "):
            kind, program = ProgramKind.MODULE, settings.exec[3:].strip()
        else:
            kind = ProgramKind.SCRIPT
            # As in Node, it is the worker that looks for it.
            program = os.path.abspath(os.path.join(settings.cwd or "", settings.exec))
        if not settings.exec:
            raise ConfigurationError(
                "this is no program that can be run again: name one with "
                "setupPrimary(exec=...)"
            )
        orders = WorkerOrders(
            kind=kind, program=(program, *settings.args), orphanTime=self._orphanTime
        )
        given = {**os.environ, **environmentVariables(environment)}
        return WorkerProgram(
            arguments=orders.toArguments(settings.execArgv),
            environment=workerEnvironment(
                {name: value for name, value in given.items() if value is not None},
                sys.path,
                directory,
            ),
            cwd=settings.cwd,
            uid=settings.uid,
            gid=settings.gid,
            stdio=settings.streams(),
            serialization=settings.serialization,
        )

    def roster(self, policy: SchedulingPolicy) -> Roster:
        """
        An empty roster on the reactor.
        """
        return Roster(
            policy,
            self._handoff,
            Spawner(self._reactor, givenToThisProcess()),
            PortOpener(self._reactor),
            self._reactor,
            newOutput=emitted,
            ports=self._ports,
        )

    def correspondence(self, handle: WorkerHandle) -> Correspondence:
        """
        Messages over the handle's link.
        """
        return Correspondence(
            handle.link,
            Handles(self._reactor),
            self._reactor,
            f"worker {handle.id}",
        )


def _record(kind: type[_Record], name: str, given: _Record | None) -> _Record:
    """
    What was given, or the defaults.

    @raise ConfigurationError: if it is no such record.
    """
    if given is None:
        return kind()
    if not isinstance(given, kind):
        raise ConfigurationError(
            f"{name} has to be {kind.__name__}(...), not {given!r}"
        )
    return given


class Cluster(_Cluster):
    """
    Workers that a program starts itself; there can be several in a process.

    When the reactor stops, the workers are asked to end, and killed when they
    take too long.
    """

    def __init__(
        self,
        reactor: Any = None,
        settings: PrimarySettings | Mapping[str, Any] | None = None,
        *,
        schedulingPolicy: SchedulingPolicy | str | None = None,
        handoff: HandoffSettings | None = None,
        supervision: SupervisionSettings | None = None,
        ports: PortSettings | None = None,
        **changes: Any,
    ) -> None:
        """
        @param reactor: The one to use; the global one if it is not given.
        @param settings: How workers are started, as for C{setupPrimary}; by default
            they run this program again.
        @param schedulingPolicy: Who accepts connections; the environment's
            C{TWISTED_CLUSTER_SCHED_POLICY} if it is not given, else C{SCHED_RR}.
        @param handoff: How many connections may be on their way.
        @param supervision: How long a worker may take to end, and how long it may
            outlive this process.  Its other settings are for C{twistd cluster},
            which starts workers again by itself.
        @param ports: What the workers may have the primary open.
        @param changes: Settings by their names, likewise.

        @raise ConfigurationError: if one of them cannot work.
        """
        if reactor is None:
            from twisted.internet import reactor
        self._reactor: Any = reactor
        self._stopping = False
        handoff = _record(HandoffSettings, "handoff", handoff)
        supervision = _record(SupervisionSettings, "supervision", supervision)
        ports = _record(PortSettings, "ports", ports)
        self._killTime = supervision.killTime
        if schedulingPolicy is None:
            schedulingPolicy = SchedulingPolicy.fromEnvironment(os.environ)
        super().__init__(
            _ThisProcess(
                reactor,
                handoff,
                ports,
                supervision.orphanTime,
            ),
            self._reactor,
            SchedulingPolicy.named(schedulingPolicy),
        )
        self._trigger: object = None
        if settings is not None or changes:
            self.setupPrimary(settings, **changes)

    def fork(self, env: Mapping[str, object] | None = None) -> ForkedWorker:
        """
        Start a worker; see L{twisted_cluster._primary.cluster.Cluster.fork}.

        @raise ClusterStopping: if the reactor is stopping.
        """
        if self._stopping:
            raise ClusterStopping("the reactor is stopping: no worker is started")
        if self._trigger is None:
            self._trigger = self._reactor.addSystemEventTrigger(
                "before", "shutdown", self._reactorStops
            )
        return super().fork(env)

    def _closePorts(self) -> None:
        """
        Close the ports, unless somebody has started workers again meanwhile; then
        the reactor need not know of this cluster any more.
        """
        super()._closePorts()
        if self._trigger is not None and not (self.workers or self._stopping):
            trigger, self._trigger = self._trigger, None
            self._reactor.removeSystemEventTrigger(trigger)

    def _reactorStops(self) -> Deferred[Any]:
        """
        Leave no worker and no open port behind.
        """
        self._stopping = True
        remaining = self._shutDown()
        killing = self._reactor.callLater(self._killTime, self._kill, remaining)
        ended: Deferred[Any] = DeferredList(
            [worker.whenExited() for worker in remaining]
        )

        def all(ignored: object) -> None:
            if killing.active():
                killing.cancel()

        return ended.addCallback(all)

    def _kill(self, workers: list[ForkedWorker]) -> None:
        """
        End those that are still there.
        """
        for worker in workers:
            worker.kill("SIGKILL")
