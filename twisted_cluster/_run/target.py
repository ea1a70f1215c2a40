"""
What a target on the command line means.

The order of trial is: the name of an installed twistd plugin, a C{.tac} file,
C{-m MODULE}, a Python script, C{package.module:attribute}.  The primary never
runs application code, so nothing of the application is imported here: what can
be seen from outside is checked, and the rest is the worker's to report.
"""

from __future__ import annotations

import difflib
import importlib.machinery
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Protocol

from attrs import frozen

from twisted_cluster._run.orders import ProgramKind
from twisted_cluster.errors import TargetError


class Target(Protocol):
    """
    Something that a worker can run.
    """

    @property
    def kind(self) -> ProgramKind:
        """
        How a worker runs it.
        """

    @property
    def program(self) -> tuple[str, ...]:
        """
        What the worker has to be told to find it, with its arguments.
        """


@frozen
class PluginTarget:
    """
    An installed twistd plugin.

    @ivar tapname: Its name.
    @ivar arguments: Its own arguments.
    """

    tapname: str
    arguments: tuple[str, ...] = ()
    kind = ProgramKind.TWISTD

    @property
    def program(self) -> tuple[str, ...]:
        """
        What follows twistd's own options.
        """
        return (self.tapname, *self.arguments)


@frozen
class TacTarget:
    """
    A file that defines an C{application}.

    @ivar path: Its absolute path.
    """

    path: str
    kind = ProgramKind.TAC

    @property
    def program(self) -> tuple[str, ...]:
        """
        The path.
        """
        return (self.path,)


@frozen
class ScriptTarget:
    """
    A program that runs its own reactor.

    @ivar path: Its absolute path.
    @ivar arguments: Its own arguments.
    """

    path: str
    arguments: tuple[str, ...] = ()
    kind = ProgramKind.SCRIPT

    @property
    def program(self) -> tuple[str, ...]:
        """
        The path and the arguments.
        """
        return (self.path, *self.arguments)


@frozen
class ModuleTarget:
    """
    A module that runs its own reactor, as with C{python -m}.

    @ivar module: Its full name.
    @ivar arguments: Its own arguments.
    """

    module: str
    arguments: tuple[str, ...] = ()
    kind = ProgramKind.MODULE

    @property
    def program(self) -> tuple[str, ...]:
        """
        The name and the arguments.
        """
        return (self.module, *self.arguments)


@frozen
class AttributeTarget:
    """
    A service, an application, a callable or a web resource in a module.

    @ivar module: The module's full name.
    @ivar attribute: The attribute's name in it, with dots for those of
        attributes.
    """

    module: str
    attribute: str
    kind = ProgramKind.ATTRIBUTE

    @property
    def program(self) -> tuple[str, ...]:
        """
        Both, as they are written on the command line.
        """
        return (f"{self.module}:{self.attribute}",)


def resolveTarget(
    target: str,
    arguments: Sequence[str],
    tapnames: Iterable[str],
    directory: str,
) -> Target:
    """
    Find out what C{target} is.

    @param arguments: What follows it on the command line.
    @param tapnames: The names of the installed twistd plugins.
    @param directory: What a relative path is relative to, and where modules
        are looked for first.

    @raise TargetError: if it is nothing that a worker could run.
    """
    tapnames = list(tapnames)
    if target in tapnames:
        return PluginTarget(target, tuple(arguments))
    if target == "-m":
        return _module(arguments, directory)
    path = os.path.abspath(os.path.join(directory, target))
    if os.path.lexists(path) or target.endswith((".tac", ".py")):
        return _file(path, arguments)
    if ":" in target:
        return _attribute(target, arguments, directory)
    raise TargetError(_unknown(target, tapnames))


def _unknown(target: str, tapnames: list[str]) -> str:
    if target.startswith("-"):
        return (
            f"{target!r} is no program to run; after -- only '-m MODULE [ARGS]' "
            "or a TARGET with its ARGS may follow"
        )
    close = difflib.get_close_matches(target, tapnames)
    if close:
        advice = "did you mean " + " or ".join(map(repr, close)) + "?"
    else:
        advice = (
            f"for an attribute of a module write {target}:NAME, "
            f"for a module that is a program -- -m {target}"
        )
    return (
        f"{target!r} is no installed twistd plugin, no file, and no "
        f"package.module:attribute; {advice}"
    )


# -- files


def _file(path: str, arguments: Sequence[str]) -> Target:
    if os.path.isdir(path):
        raise TargetError(
            f"{path} is a directory; name a .tac file or a script in it, or run "
            "it as a package with -- -m NAME"
        )
    if not os.path.exists(path):
        raise TargetError(f"there is no file {path}")
    try:
        with open(path, "rb") as file:
            beginning = file.read(512)
    except OSError as problem:
        raise TargetError(f"{path} cannot be read: {problem.strerror}") from problem
    if path.endswith(".tac"):
        if arguments:
            raise TargetError(
                f"a .tac file takes no arguments, but {' '.join(arguments)!r} follows"
            )
        return TacTarget(path)
    if path.endswith(".py") or _hasPythonShebang(beginning):
        return ScriptTarget(path, tuple(arguments))
    raise TargetError(
        f"{path} is no Python program: its name does not end in .py or .tac, and "
        "it does not begin with #! and a Python interpreter"
    )


def _hasPythonShebang(beginning: bytes) -> bool:
    """
    Whether a file is a Python program as installers write them: they put the
    interpreter's path into the second line when it is too long for the first.
    """
    first, _, rest = beginning.partition(b"\n")
    if not first.startswith(b"#!"):
        return False
    command = first[2:]
    if command.strip() == b"/bin/sh":
        second = rest.partition(b"\n")[0]
        if not second.startswith(b"'''exec'"):
            return False
        command = second[len(b"'''exec'") :]
    return (
        re.search(rb"(^|[/\s\"'])(python|pypy)[0-9.]*([\s\"']|$)", command) is not None
    )


# -- modules


def _module(arguments: Sequence[str], directory: str) -> ModuleTarget:
    if not arguments:
        raise TargetError("name the module to run after -m")
    module, *rest = arguments
    _requireModule(module, directory)
    return ModuleTarget(module, tuple(rest))


def _attribute(
    target: str, arguments: Sequence[str], directory: str
) -> AttributeTarget:
    module, _, attribute = target.partition(":")
    if not all(name.isidentifier() for name in attribute.split(".")):
        raise TargetError(
            f"{target!r} names no attribute; write package.module:attribute"
        )
    if arguments:
        raise TargetError(
            f"{target} takes no arguments, but {' '.join(arguments)!r} follows"
        )
    _requireModule(module, directory)
    return AttributeTarget(module, attribute)


def _requireModule(name: str, directory: str) -> None:
    """
    Look for a module without importing anything, not even its package.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"{name!r} is no name of a module")
    found, *rest = name.split(".")
    spec = _findTopLevel(found, directory)
    for part in rest:
        if spec is None:
            break
        locations = spec.submodule_search_locations
        if locations is None:
            raise TargetError(f"there is no module {name}: {found} is no package")
        found = f"{found}.{part}"
        spec = _findSpec(found, list(locations))
    if spec is None:
        raise TargetError(
            f"there is no module {found} in {directory} or on the module search "
            "path (PYTHONPATH)"
        )


def _findTopLevel(name: str, directory: str) -> importlib.machinery.ModuleSpec | None:
    """
    Find it in C{directory} first, where workers look first.
    """
    spec = importlib.machinery.PathFinder.find_spec(name, [directory, *sys.path])
    if spec is None or spec.loader is None:
        # Builtin, or found by some other finder, as editable installations
        # have them; a mere directory of the name yields to those.
        spec = _findSpec(name, None) or spec
    return spec


def _findSpec(
    name: str, path: list[str] | None
) -> importlib.machinery.ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None
