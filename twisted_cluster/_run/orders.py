"""
What a worker is to run, as it travels on the worker's command line.

The primary writes the orders as words (L{WorkerOrders.toWords}), the worker
reads them back (L{WorkerOrders.fromWords}).  They are meant to be read in the
output of C{ps}, too.
"""

from __future__ import annotations

import getopt
from collections.abc import Iterator, Sequence
from enum import Enum

from attrs import frozen

from twisted_cluster.errors import ConfigurationError

CHILD_MODULE = "twisted_cluster._run.child"
"""What a worker's interpreter runs."""


class ProgramKind(Enum):
    """
    The ways to run something; the value is the first of the words.
    """

    TWISTD = "twistd"
    """A twistd plugin's name and arguments, by twistd itself."""

    TAC = "tac"
    """A file that defines C{application}, by C{twistd -y}."""

    ATTRIBUTE = "attribute"
    """C{package.module:attribute}, also by C{twistd -y}."""

    SCRIPT = "script"
    """A file with its arguments, as C{python FILE} runs it."""

    MODULE = "module"
    """A module with its arguments, as C{python -m} runs it."""


@frozen(kw_only=True)
class WorkerOrders:
    """
    What to run, and what the worker changes about itself first.

    @ivar kind: How to run it.
    @ivar program: What to run: a name or an absolute path, and its arguments.
    @ivar reactor: The short name of the reactor, if one was chosen.
    @ivar uid: The user to become.  What runs by twistd becomes it after its
        privileged start, a script or module before it starts.
    @ivar gid: The group to become; C{None} with a C{uid} is the user's own.
    @ivar rundir: The directory to change to, as twistd does: after the
        application was loaded.
    @ivar umask: The permissions that new files do not get.
    @ivar orphanTime: How many seconds the worker may outlive the primary.
    @ivar listen: The endpoints to serve a web resource on.
    """

    kind: ProgramKind
    program: tuple[str, ...]
    reactor: str | None = None
    uid: int | None = None
    gid: int | None = None
    rundir: str | None = None
    umask: int | None = None
    orphanTime: float = 0.0
    listen: tuple[str, ...] = ()

    def toArguments(self, flags: Sequence[str]) -> tuple[str, ...]:
        """
        The whole command of a worker, behind the interpreter's name.

        @param flags: The interpreter's own options.
        """
        return (*flags, "-m", CHILD_MODULE, *self.toWords())

    def toWords(self) -> tuple[str, ...]:
        """
        Put the orders into the words of a command line.
        """
        return (self.kind.value, *self._options(), "--", *self.program)

    def _options(self) -> Iterator[str]:
        if self.reactor is not None:
            yield f"--reactor={self.reactor}"
        if self.uid is not None:
            yield f"--uid={self.uid}"
        if self.gid is not None:
            yield f"--gid={self.gid}"
        if self.rundir is not None:
            yield f"--rundir={self.rundir}"
        if self.umask is not None:
            yield f"--umask={self.umask:o}"
        if self.orphanTime:
            yield f"--orphan-time={self.orphanTime:g}"
        for description in self.listen:
            yield f"--listen={description}"

    @classmethod
    def fromWords(cls, words: Sequence[str]) -> WorkerOrders:
        """
        Read orders.

        @raise ConfigurationError: if these are none.
        """
        try:
            kind = ProgramKind(words[0])
            options, program = getopt.getopt(
                list(words[1:]),
                "",
                [
                    *("reactor=", "uid=", "gid=", "rundir=", "umask="),
                    *("orphan-time=", "listen="),
                ],
            )
            given = dict(options)
            return cls(
                kind=kind,
                program=tuple(program),
                reactor=given.get("--reactor"),
                uid=int(given["--uid"]) if "--uid" in given else None,
                gid=int(given["--gid"]) if "--gid" in given else None,
                rundir=given.get("--rundir"),
                umask=int(given["--umask"], 8) if "--umask" in given else None,
                orphanTime=float(given.get("--orphan-time", 0)),
                listen=tuple(value for name, value in options if name == "--listen"),
            )
        except (IndexError, ValueError, getopt.GetoptError) as problem:
            raise ConfigurationError(
                f"a worker cannot be told to run {list(words)!r}: {problem}"
            ) from problem
