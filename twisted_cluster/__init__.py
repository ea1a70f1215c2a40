"""
Twisted applications on all cores, behind one port.

Imported as C{cluster}, this is Node's module of that name, for Twisted: in a
primary C{fork}, C{workers}, C{disconnect} and the events, in a worker C{worker}.
What stands behind the names is in C{_run.facade}.

The map of the package, from the outside in:

  - L{twisted_cluster.settings}, L{twisted_cluster.events},
    L{twisted_cluster.listening}, L{twisted_cluster.errors}: what can be set,
    what happened, what is listened on, and what can go wrong, as records.
  - L{twisted_cluster.workerapi}: a worker, as programs know it on both sides.
  - L{twisted_cluster.permissions}: what workers may listen on.
  - L{twisted_cluster.observing}: telling whoever wants to know.
  - L{twisted_cluster.scheduling}: which worker gets a connection.
  - L{twisted_cluster.interfaces}: where the sides below meet.
  - C{_supervision}: which workers should start and end, and when.
  - C{_wire}: what primary and worker say to each other.
  - C{_primary}: the process that owns the ports and knows the workers.
  - C{_worker}: the process that runs the application.
  - C{_reactor}: everything that touches Twisted's reactor and the kernel.
  - C{_run}: the command line, and the parts of each process put together.
  - L{twisted_cluster.testing}: doubles for what is outside, for tests.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from twisted_cluster._run.facade import ClusterModule
from twisted_cluster.settings import SchedulingPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted_cluster._primary.forkedworker import ForkedWorker
    from twisted_cluster._run.library import Cluster as Cluster
    from twisted_cluster._worker.thisworker import ThisWorker
    from twisted_cluster.events import PortReading
    from twisted_cluster.workerapi import Worker as Worker

    isPrimary: bool
    isMaster: bool
    isWorker: bool
    worker: ThisWorker | None
    workers: Mapping[int, ForkedWorker]
    settings: dict[str, Any]
    schedulingPolicy: SchedulingPolicy | str
    ports: list[PortReading]
    _own = Cluster()
    fork = _own.fork
    disconnect = _own.disconnect
    setupPrimary = _own.setupPrimary
    setupMaster = _own.setupPrimary
    on = _own.on
    once = _own.once
    off = _own.off
    when = _own.when
    addObserver = _own.addObserver
    removeObserver = _own.removeObserver
    broadcast = _own.broadcast

# What is there in every process, and needs no reactor.
__all__ = [
    "SCHED_NONE",
    "SCHED_RR",
    "Cluster",
    "Worker",
    "isMaster",
    "isPrimary",
    "isWorker",
    "worker",
]

SCHED_RR = SchedulingPolicy.RR
SCHED_NONE = SchedulingPolicy.NONE

sys.modules[__name__].__class__ = ClusterModule
