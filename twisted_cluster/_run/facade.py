"""
What C{import twisted_cluster} is: Node's C{cluster} module, for this process.

Node's module has state, and properties that change; so this module's class is
one with properties.  Which side it shows depends on what this process is: a
worker that a primary started, or any other process, which can be a primary.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

from twisted_cluster._run import role
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.settings import SchedulingPolicy

if TYPE_CHECKING:
    from twisted_cluster._primary.forkedworker import ForkedWorker
    from twisted_cluster._run.library import Cluster
    from twisted_cluster._worker.thisworker import ThisWorker
    from twisted_cluster.events import PortReading

_PRIMARY_ONLY = frozenset(
    {
        "addObserver",
        "broadcast",
        "disconnect",
        "fork",
        "off",
        "on",
        "once",
        "removeObserver",
        "setupMaster",
        "setupPrimary",
    }
)


class ClusterModule(ModuleType):
    """
    The module's class.

    @ivar _cluster: This process's own cluster, once it was asked for.
    @ivar _policy: What was chosen for it before, if anything was.
    """

    _cluster: Cluster | None = None
    _policy: SchedulingPolicy | None = None

    @property
    def isWorker(self) -> bool:
        """
        Whether a primary started this process.
        """
        return role.thisWorker is not None

    @property
    def isPrimary(self) -> bool:
        """
        Whether this process can start workers.
        """
        return role.thisWorker is None

    isMaster = isPrimary

    @property
    def worker(self) -> ThisWorker | None:
        """
        In a worker: itself; C{None} in a primary.
        """
        return role.thisWorker

    @property
    def workers(self) -> dict[int, ForkedWorker]:
        """
        In a primary: by number, the workers whose process has not ended.
        """
        return {} if self._cluster is None else self._cluster.workers

    @property
    def ports(self) -> list[PortReading]:
        """
        In a primary: how the open ports are at this moment.
        """
        return [] if self._cluster is None else self._cluster.ports

    @property
    def settings(self) -> dict[str, Any]:
        """
        In a primary: how workers are started; empty before the first
        C{setupPrimary} or C{fork}.
        """
        return {} if self._cluster is None else self._cluster.settings

    @property
    def schedulingPolicy(self) -> SchedulingPolicy:
        """
        Who accepts connections.  It cannot be changed after the first
        C{setupPrimary} or C{fork}.
        """
        if self._cluster is not None:
            return self._cluster.schedulingPolicy
        return self._policy or SchedulingPolicy.fromEnvironment(os.environ)

    @schedulingPolicy.setter
    def schedulingPolicy(self, policy: SchedulingPolicy) -> None:
        """
        @raise ConfigurationError: if it is too late, or no policy.
        """
        if self._cluster is not None:
            self._cluster.schedulingPolicy = policy
        else:
            # No cluster yet: programs choose before they know what they are, and
            # before they install a reactor.
            self._policy = SchedulingPolicy.named(policy)

    def __getattr__(self, name: str) -> Any:
        """
        The classes, imported when they are wanted, and the methods of this
        process's own cluster.
        """
        if name == "Cluster":
            from twisted_cluster._run.library import Cluster

            return Cluster
        if name == "Worker":
            from twisted_cluster.workerapi import Worker

            return Worker
        if name not in _PRIMARY_ONLY:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if role.thisWorker is not None:
            raise ConfigurationError(
                f"{name} is for primaries, and this is worker {role.thisWorker.id}"
            )
        return getattr(self._own(), name.replace("Master", "Primary"))

    def _own(self) -> Cluster:
        """
        This process's own cluster, on the global reactor.
        """
        if self._cluster is None:
            from twisted_cluster._run.library import Cluster

            self._cluster = Cluster(schedulingPolicy=self._policy)
        return self._cluster
