"""
What can be set: frozen records, checked when they are made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

from attrs import Attribute, evolve, field, fields, frozen
from attrs.converters import optional
from attrs.validators import ge, gt, instance_of

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.permissions import PortPattern

_T = TypeVar("_T")


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
    L{twisted.runner.procmon.ProcessMonitor}, which has no C{orphanTime}; all times
    are in seconds.

    @ivar threshold: A worker whose program ran at least this long is replaced at
        once.
    @ivar minRestartDelay: How long to wait before replacing one that did not;
        doubled each time in a row.
    @ivar maxRestartDelay: What the doubling ends at.
    @ivar killTime: How long a worker may take to end after it was asked to;
        then it is killed.
    @ivar orphanTime: How long a worker may go on when the primary has ended
        without asking it to leave: it takes no more connections, finishes with
        the clients that it has, and ends.  0 is not at all.
    """

    threshold: float = field(default=1.0, validator=ge(0))
    killTime: float = field(default=5.0, validator=ge(0))
    orphanTime: float = field(default=0.0, validator=ge(0))
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


def _patterns(value: Iterable[PortPattern | str]) -> tuple[PortPattern, ...]:
    """
    Any sequence of patterns, read already or not.
    """
    return tuple(
        pattern if isinstance(pattern, PortPattern) else PortPattern.parse(pattern)
        for pattern in _words(value)
    )


@frozen(kw_only=True)
class PortSettings:
    """
    What the workers may have the primary open.

    @ivar mayListen: The ports that they may ask for, as patterns such as
        C{tcp:8080} or C{unix:/run/site/*}; C{None} is any port that the primary
        itself can open.  Ports that the primary was told to open are theirs in
        any case, and so is a port that another worker was allowed to open.
    @ivar limit: How many ports may be open at a time, whoever asked for them.
        Each takes one of the primary's descriptors.
    """

    mayListen: tuple[PortPattern, ...] | None = field(
        default=None, converter=optional(_patterns)
    )
    limit: int = field(default=512, validator=[instance_of(int), ge(1)])


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
    @ivar stdio: Standard input, output and error, and perhaps more behind them:
        C{"ignore"} it, have the primary read or write it through a C{"pipe"},
        C{"inherit"} the primary's own, or a number: have that descriptor of the
        primary's.
    @ivar serialization: How messages become bytes: C{"json"} or C{"advanced"}.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str | None = None
    uid: int | None = None
    gid: int | None = None
    stdio: tuple[str | int, ...] = ("ignore", "pipe", "pipe")
    serialization: str = "json"


@frozen(kw_only=True)
class ClusterSettings:
    """
    Everything a cluster has to know before it starts.

    @ivar program: What each worker runs.
    @ivar workers: How many workers to keep running.
    @ivar policy: Who accepts connections.
    @ivar supervision: When workers are started again.
    @ivar handoff: How many connections may be on their way.
    @ivar ports: What the workers may have the primary open.
    """

    program: WorkerProgram
    workers: int = field(default=1, validator=[instance_of(int), ge(0)])
    policy: SchedulingPolicy = field(
        default=SchedulingPolicy.RR, validator=instance_of(SchedulingPolicy)
    )
    supervision: SupervisionSettings = field(factory=SupervisionSettings)
    handoff: HandoffSettings = field(factory=HandoffSettings)
    ports: PortSettings = field(factory=PortSettings)


SERIALIZATIONS = ("json", "advanced")


def _knownSerialization(
    instance: object, attribute: Attribute[str], value: str
) -> None:
    """
    There are two.
    """
    if value not in SERIALIZATIONS:
        raise ConfigurationError(
            f"there is no serialization {value!r}; there are "
            + " and ".join(SERIALIZATIONS)
        )


def _knownStreams(
    instance: object, attribute: Attribute[Any], value: tuple[str | int, ...] | None
) -> None:
    """
    Standard input, output and error, and perhaps more behind them.
    """
    if value is None:
        return
    for stream in value:
        known = isinstance(stream, int) or stream in ("pipe", "inherit", "ignore")
        if not known:
            raise ConfigurationError(
                f"stdio has {stream!r}, but knows only 'pipe', 'inherit', 'ignore' and "
                "numbers"
            )
    if len(value) < 3:
        raise ConfigurationError(
            "stdio has to say what becomes of standard input, output and error, so "
            f"{list(value)!r} is too short"
        )


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    """
    Any sequence of strings, but no single one.
    """
    words = _words(value)
    if not all(isinstance(word, str) for word in words):
        raise ConfigurationError(f"a list of strings is wanted, not {value!r}")
    return words


def _words(value: Iterable[_T]) -> tuple[_T, ...]:
    """
    Any sequence, but no string.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ConfigurationError(f"a list is wanted, not {value!r}")
    return tuple(value)


def _path(value: str | os.PathLike[str]) -> str:
    """
    Anything that names a file or a directory.
    """
    try:
        path = os.fspath(value)
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise ConfigurationError(f"a path is wanted, not {value!r}")
    return path


@frozen(kw_only=True)
class PrimarySettings:
    """
    How a program's workers are started, as Node's C{cluster.settings} has it.

    @ivar exec: The script that a worker runs, or C{"-m package.module"}.
    @ivar args: Its arguments.
    @ivar execArgv: The interpreter's own options.
    @ivar cwd: The directory to start in; C{None} is the primary's.
    @ivar silent: Whether the primary gets what workers write, as
        C{worker.process.stdout} and C{stderr}, and is what they read from, as
        C{stdin}; otherwise they write and read where the primary does.
    @ivar stdio: For each of standard input, output and error, and for any
        descriptors behind them: C{"pipe"}, C{"inherit"}, C{"ignore"} or the
        number of a descriptor of the primary's.  Overrides C{silent}.  There is
        no C{"ipc"} among them: the channels come behind all of these.
    @ivar uid: The user to run as.
    @ivar gid: The group to run as.
    @ivar serialization: How messages become bytes: C{"json"}, or C{"advanced"},
        which knows more types.
    """

    exec: str = field(converter=_path)
    args: tuple[str, ...] = field(default=(), converter=_strings)
    execArgv: tuple[str, ...] = field(default=(), converter=_strings)
    cwd: str | None = field(default=None, converter=optional(_path))
    silent: bool = False
    stdio: tuple[str | int, ...] | None = field(
        default=None, converter=optional(_words), validator=_knownStreams
    )
    uid: int | None = None
    gid: int | None = None
    serialization: str = field(default="json", validator=_knownSerialization)

    def changed(self, changes: Mapping[str, Any]) -> PrimarySettings:
        """
        @return: These settings with some others.

        @raise ConfigurationError: if there is no such setting, or it cannot have
            this value.
        """
        known = [attribute.name for attribute in fields(PrimarySettings)]
        for name in changes:
            if name not in known:
                raise ConfigurationError(
                    f"there is no setting {name!r}; there are {', '.join(known)}"
                )
        return evolve(self, **changes)

    def streams(self) -> tuple[str | int, ...]:
        """
        @return: What becomes of standard input, output and error, and of what is
            behind them.
        """
        if self.stdio is not None:
            return self.stdio
        return ("pipe" if self.silent else "inherit",) * 3

    def asDictionary(self) -> dict[str, Any]:
        """
        @return: As Node shows them: without what was not set.
        """
        shown = {
            attribute.name: getattr(self, attribute.name)
            for attribute in fields(PrimarySettings)
        }
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in shown.items()
            if value is not None
        }
