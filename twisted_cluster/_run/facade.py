"""
What C{import twisted_cluster} is: Node's C{cluster} module, for this process.

Node's module has state, and properties that change; so this module's class is
one with properties.  Which side it shows depends on what this process is: a
worker that a primary started, or any other process, which can be a primary.

The methods of this process's own cluster are found when they are first asked for;
that makes the cluster, on the global reactor, which is installed then if it was not
before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from twisted_cluster._run import role
from twisted_cluster.errors import NotAPrimary
from twisted_cluster.settings import SchedulingPolicy

if TYPE_CHECKING:
    from twisted_cluster._primary.forkedworker import ForkedWorker
    from twisted_cluster._run.library import Cluster
    from twisted_cluster._worker.thisworker import ThisWorker
    from twisted_cluster.events import PortReading

_METHODS = frozenset(
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
        "when",
    }
)

_PRIMARY_ONLY = _METHODS | {"ports", "settings", "workers"}

_ALWAYS = frozenset(
    {
        "Cluster",
        "SCHED_NONE",
        "SCHED_RR",
        "Worker",
        "isMaster",
        "isPrimary",
        "isWorker",
        "schedulingPolicy",
        "worker",
    }
)


def _requirePrimary(name: str) -> None:
    """
    @raise NotAPrimary: in a worker.
    """
    if role.thisWorker is not None:
        raise NotAPrimary(
            f"{name} is for primaries, and this is worker {role.thisWorker.id}"
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
        Whether this process is no worker, and so can start some.
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
    def workers(self) -> Mapping[int, ForkedWorker]:
        """
        In a primary: by number, the workers whose process has not ended.
        """
        _requirePrimary("workers")
        return {} if self._cluster is None else self._cluster.workers

    @property
    def ports(self) -> list[PortReading]:
        """
        In a primary: how the open ports are at this moment.
        """
        _requirePrimary("ports")
        return [] if self._cluster is None else self._cluster.ports

    @property
    def settings(self) -> dict[str, Any]:
        """
        In a primary: how workers are started; empty before the first
        C{setupPrimary} or C{fork}.
        """
        _requirePrimary("settings")
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
        if name in _PRIMARY_ONLY:
            _requirePrimary(name)
        if name not in _METHODS:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self._own(), name.replace("Master", "Primary"))

    def __dir__(self) -> list[str]:
        """
        What there is in this process, and the package's public modules.
        """
        names = _ALWAYS if self.isWorker else _ALWAYS | _PRIMARY_ONLY
        private = {name for name in vars(self) if name.startswith("__")}
        modules = {
            name
            for name, value in vars(self).items()
            if isinstance(value, ModuleType)
            and value.__name__.startswith("twisted_cluster.")
            and name[0] != "_"
        }
        return sorted(names | private | (modules - _PRIMARY_ONLY))

    def _own(self) -> Cluster:
        """
        This process's own cluster, on the global reactor.
        """
        if self._cluster is None:
            from twisted_cluster._run.library import Cluster

            self._cluster = Cluster(schedulingPolicy=self._policy)
        return self._cluster
