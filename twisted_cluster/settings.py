"""
What can be set: frozen records, checked when they are made.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any

from attrs import Attribute, evolve, field, fields, frozen, validators
from attrs.converters import optional
from attrs.validators import ge, gt, instance_of

from twisted_cluster.errors import ConfigurationError
from twisted_cluster.permissions import PortPattern

POLICY_VARIABLE = "TWISTED_CLUSTER_SCHED_POLICY"
"""
The environment variable that names the scheduling policy where nobody else does.
"""


class SchedulingPolicy(Enum):
    """
    Who accepts the connections of a port that several workers listen on.
    """

    RR = "rr"
    """The primary accepts and gives them to the workers in turn."""

    NONE = "none"
    """The workers accept on a shared port; the kernel chooses."""

    @classmethod
    def named(cls, name: object) -> SchedulingPolicy:
        """
        The policy of a name; a policy is its own.

        @raise ConfigurationError: if there is none.
        """
        try:
            return cls(name)
        except ValueError:
            names = " or ".join(policy.value for policy in cls)
            raise ConfigurationError(
                f"there is no scheduling policy {name!r}: give {names}"
            ) from None

    @classmethod
    def fromEnvironment(cls, environment: Mapping[str, str]) -> SchedulingPolicy:
        """
        The policy that the environment names, or L{RR}.

        @raise ConfigurationError: if it names none that there is.
        """
        try:
            return cls.named(environment.get(POLICY_VARIABLE) or cls.RR)
        except ConfigurationError as problem:
            raise ConfigurationError(
                f"the environment variable {POLICY_VARIABLE}: {problem}"
            ) from None


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
        that hangs, until it is seen to hang.
    @ivar blockedAfter: A worker whose reactor has not turned for this many seconds is
        blocked: it gets no connections until it turns again, and those it has not
        read are given to others.  Seeing it can take half as long again.  0 disables
        the check.
    @ivar insured: Whether the primary keeps its descriptor of each connection until
        the worker reads or writes the first byte, so that connections which a lost
        worker had taken but not touched are served by another.  Costs a descriptor
        in the primary for each of those, and a message for each connection.
    @ivar newPolicy: Makes for each port the object that chooses among the workers,
        an L{ISchedulingPolicy<twisted_cluster.scheduling.ISchedulingPolicy>};
        C{None} is each worker in turn.
    """

    queueLimit: int = field(default=1024, validator=[instance_of(int), ge(1)])
    window: int = field(default=64, validator=[instance_of(int), ge(1)])
    blockedAfter: float = field(default=0.5, validator=ge(0))
    insured: bool = field(default=False, validator=instance_of(bool))
    newPolicy: Callable[[], Any] | None = field(
        default=None, validator=validators.optional(validators.is_callable())
    )

    def requirePossible(self, policy: SchedulingPolicy) -> None:
        """
        @raise ConfigurationError: if this cannot be had with that policy.
        """
        if self.insured and policy is not SchedulingPolicy.RR:
            raise ConfigurationError(
                "connections can only be insured with the policy rr: with "
                f"{policy.value} the primary never has them"
            )


def _patterns(value: Iterable[PortPattern | str]) -> tuple[PortPattern, ...]:
    """
    Any sequence of patterns, read already or not.
    """
    patterns = _listed(value)
    if not isinstance(patterns, tuple):
        raise ConfigurationError(f"mayListen has to be a list, not {value!r}")
    return tuple(
        pattern if isinstance(pattern, PortPattern) else PortPattern.parse(pattern)
        for pattern in patterns
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
    @ivar backlog: How many connections the kernel keeps for a port until the primary
        accepts them; C{None} is what the application asks for, which is 50 if it
        says nothing.  The kernel has a limit of its own, on Linux
        C{net.core.somaxconn}.
    """

    mayListen: tuple[PortPattern, ...] | None = field(
        default=None, converter=optional(_patterns)
    )
    limit: int = field(default=512, validator=[instance_of(int), ge(1)])
    backlog: int | None = field(
        default=None, validator=validators.optional([instance_of(int), ge(0)])
    )


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

    def __attrs_post_init__(self) -> None:
        self.handoff.requirePossible(self.policy)


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
    if not isinstance(value, tuple):
        raise ConfigurationError(f"stdio has to be a list, not {value!r}")
    for stream in value:
        if stream == "ipc":
            raise ConfigurationError(
                "stdio has 'ipc', as Node wants it: leave it out, the channels to a "
                "worker come by themselves, behind all of stdio"
            )
        if type(stream) is int:
            known = stream >= 0
        else:
            known = stream in ("pipe", "inherit", "ignore")
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


_LAST_IDENTITY = (1 << 32) - 2
"""The number after it says to the kernel that nothing changes."""


def _identity(
    instance: object, attribute: Attribute[int | None], value: int | None
) -> None:
    """
    The number of a user or a group.
    """
    if value is None:
        return
    if type(value) is not int or not 0 <= value <= _LAST_IDENTITY:
        module = {"uid": "pwd.getpwnam", "gid": "grp.getgrnam"}[attribute.name]
        raise ConfigurationError(
            f"{attribute.name} has to be a number, not {value!r}; {module} finds the "
            "number of a name"
        )


def _trueOrFalse(instance: object, attribute: Attribute[bool], value: bool) -> None:
    """
    A word such as C{"false"} would be true.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(
            f"{attribute.name} has to be True or False, not {value!r}"
        )


def environmentVariables(given: Mapping[str, object]) -> dict[str, str | None]:
    """
    @param given: Variables of a worker's environment.  As in Node numbers become
        strings, and what is C{None} is not to be there.

    @raise ConfigurationError: if no environment can contain them.
    """
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"an environment is a dictionary, not {given!r}")
    return {_name(name): _value(name, value) for name, value in given.items()}


def _name(name: object) -> str:
    """
    The name of an environment variable.
    """
    if not isinstance(name, str) or not name or "=" in name or not _isClean(name):
        raise ConfigurationError(f"{name!r} is no name for an environment variable")
    return name


def _value(name: str, value: object) -> str | None:
    """
    The value of an environment variable.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or (isinstance(value, str) and _isClean(value)):
        return value
    raise ConfigurationError(
        f"the environment variable {name} has to be a string or a number, not {value!r}"
    )


def _isClean(word: str) -> bool:
    """
    Whether the kernel can be given it: file names that are no text can.
    """
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


def _listed(value: Any) -> Any:
    """
    Any sequence as a tuple; what is none, or a string, is left for a validator to
    refuse.
    """
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return tuple(value)
    return value


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    """
    As L{_listed}, for the type checker.
    """
    listed: tuple[str, ...] = _listed(value)
    return listed


def _listOfStrings(
    instance: object, attribute: Attribute[tuple[str, ...]], value: object
) -> None:
    """
    Arguments of a command.
    """
    if not isinstance(value, tuple) or not all(map(_canBeArgument, value)):
        shown = list(value) if isinstance(value, tuple) else value
        raise ConfigurationError(
            f"{attribute.name} has to be a list of strings, not {shown!r}"
        )


def _canBeArgument(word: object) -> bool:
    """
    Whether a process can be given it.
    """
    return isinstance(word, str) and _isClean(word)


def _path(value: str | os.PathLike[str]) -> str:
    """
    Anything that names a file or a directory; what does not is left for a validator
    to refuse.
    """
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _isPath(instance: object, attribute: Attribute[Any], value: str | None) -> None:
    """
    A file or a directory.
    """
    if not _canBeArgument(value):
        raise ConfigurationError(f"{attribute.name} has to be a path, not {value!r}")


def _isProgram(instance: object, attribute: Attribute[str], value: str) -> None:
    """
    A script, or a module behind C{-m}.
    """
    _isPath(instance, attribute, value)
    if value.strip() == "-m":
        raise ConfigurationError(
            f"exec has to be a script or '-m package.module', not {value!r}"
        )


@frozen(kw_only=True)
class PrimarySettings:
    """
    How a program's workers are started, as Node's C{cluster.settings} has it.

    @ivar exec: The script that a worker runs, or C{"-m package.module"}.  A
        relative path is relative to C{cwd}.
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

    exec: str = field(converter=_path, validator=_isProgram)
    args: tuple[str, ...] = field(
        default=(), converter=_strings, validator=_listOfStrings
    )
    execArgv: tuple[str, ...] = field(
        default=(), converter=_strings, validator=_listOfStrings
    )
    cwd: str | None = field(
        default=None,
        converter=optional(_path),
        validator=validators.optional(_isPath),
    )
    silent: bool = field(default=False, validator=_trueOrFalse)
    stdio: tuple[str | int, ...] | None = field(
        default=None, converter=optional(_listed), validator=_knownStreams
    )
    uid: int | None = field(default=None, validator=_identity)
    gid: int | None = field(default=None, validator=_identity)
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
