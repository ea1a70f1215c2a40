"""
What can be set: frozen records, checked when they are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import Attribute, field, frozen
from attrs.validators import ge, gt, instance_of

from twisted_cluster.errors import ConfigurationError


class SchedulingPolicy(Enum):
    """
    Who accepts the connections of a port that several workers listen on.
    """

    RR = "rr"
    """The primary accepts and gives them to the workers in turn."""

    NONE = "none"
    """The workers accept on a shared port; the kernel chooses."""


def _atLeastTheMinimum(
    instance: SupervisionSettings, attribute: Attribute[float], value: float
) -> None:
    """
    A delay that grows cannot end below where it begins.
    """
    if value < instance.minRestartDelay:
        raise ConfigurationError(
            f"maxRestartDelay ({value:g} s) is less than minRestartDelay "
            f"({instance.minRestartDelay:g} s)"
        )


@frozen(kw_only=True)
class SupervisionSettings:
    """
    When a worker that ended is started again, and how long one that is asked
    to end may take.  Names, meaning and values are those of
    L{twisted.runner.procmon.ProcessMonitor}; all times are in seconds.

    @ivar threshold: A worker whose program ran at least this long is replaced at
        once.
    @ivar minRestartDelay: How long to wait before replacing one that did not;
        doubled each time in a row.
    @ivar maxRestartDelay: What the doubling ends at.
    @ivar killTime: How long a worker may take to end after it was asked to;
        then it is killed.
    """

    threshold: float = field(default=1.0, validator=ge(0))
    killTime: float = field(default=5.0, validator=ge(0))
    minRestartDelay: float = field(default=1.0, validator=gt(0))
    maxRestartDelay: float = field(default=3600.0, validator=_atLeastTheMinimum)


@frozen(kw_only=True)
class HandoffSettings:
    """
    How many connections may be on their way.

    @ivar queueLimit: How many accepted connections the primary holds for one
        port while no worker can take them; at the limit it stops accepting, so
        that the kernel's backlog holds the rest.
    @ivar window: How many connections of one port may be on their way to one
        worker: handed over, but not yet taken.  As many are held up by a worker
        that hangs.
    """

    queueLimit: int = field(default=1024, validator=[instance_of(int), ge(1)])
    window: int = field(default=64, validator=[instance_of(int), ge(1)])


@frozen(kw_only=True)
class WorkerProgram:
    """
    The command that a worker process runs, and in what surroundings.

    @ivar arguments: The arguments after the interpreter, beginning with the
        bootstrap module's.
    @ivar environment: The whole environment, without the markers that the
        primary adds for each worker.
    @ivar cwd: The directory to start in; C{None} is the primary's.
    @ivar uid: The user to run as; C{None} is the primary's.
    @ivar gid: The group to run as; C{None} is the primary's.
    @ivar inheritOutput: Whether the workers write to the primary's standard
        output and error themselves; otherwise the primary reads what they
        write and logs it line by line.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str | None = None
    uid: int | None = None
    gid: int | None = None
    inheritOutput: bool = False


@frozen(kw_only=True)
class ClusterSettings:
    """
    Everything a cluster has to know before it starts.

    @ivar program: What each worker runs.
    @ivar workers: How many workers to keep running.
    @ivar policy: Who accepts connections.
    @ivar supervision: When workers are started again.
    @ivar handoff: How many connections may be on their way.
    """

    program: WorkerProgram
    workers: int = field(default=1, validator=[instance_of(int), ge(0)])
    policy: SchedulingPolicy = field(
        default=SchedulingPolicy.RR, validator=instance_of(SchedulingPolicy)
    )
    supervision: SupervisionSettings = field(factory=SupervisionSettings)
    handoff: HandoffSettings = field(factory=HandoffSettings)
