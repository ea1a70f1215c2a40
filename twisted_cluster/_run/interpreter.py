"""
How to start another interpreter that finds the same modules as this one.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

SYS_PATH_VARIABLE = "TWISTED_CLUSTER_SYS_PATH"
"""
Carries the primary's C{sys.path} to a worker, which takes it out of its
environment again.
"""


_LETTERS = {
    "debug": "d",
    "optimize": "O",
    "dont_write_bytecode": "B",
    "no_user_site": "s",
    "no_site": "S",
    "ignore_environment": "E",
    "isolated": "I",
    "verbose": "v",
    "bytes_warning": "b",
    "quiet": "q",
}


def interpreterFlags(
    flags: object,
    warnings: Sequence[str] = (),
    implementation: Mapping[str, object] | None = None,
) -> tuple[str, ...]:
    """
    The options that this interpreter was started with, for another one.

    C{subprocess} has the same for its own use, in private.

    @param flags: What C{sys.flags} says.
    @param warnings: What C{-W} was given.
    @param implementation: What C{-X} was given.
    """
    return tuple(_flagWords(flags, warnings, implementation or {}))


def currentInterpreterFlags() -> tuple[str, ...]:
    """
    The options of the interpreter that runs this.
    """
    return interpreterFlags(sys.flags, sys.warnoptions, sys._xoptions)


def _flagWords(
    flags: object,
    warnings: Sequence[str],
    implementation: Mapping[str, object],
) -> Iterator[str]:
    implied = (
        {"no_user_site", "ignore_environment"} if getattr(flags, "isolated", 0) else ()
    )
    for name, letter in _LETTERS.items():
        count = int(getattr(flags, name, 0))
        if count and name not in implied:
            yield "-" + letter * count
    # -P is younger than the oldest Python we support.
    if getattr(flags, "safe_path", False) and not getattr(flags, "isolated", 0):
        yield "-P"
    for warning in warnings:
        yield f"-W{warning}"
    for name, value in implementation.items():
        yield f"-X{name}" if value is True else f"-X{name}={value}"


def workerEnvironment(
    environment: Mapping[str, str], path: Sequence[str], directory: str
) -> dict[str, str]:
    """
    The environment for a worker: the primary's, fit for any directory.

    @param path: The primary's C{sys.path}.
    @param directory: What relative paths are relative to.
    """
    result = dict(environment)
    if result.get("PYTHONPATH"):
        result["PYTHONPATH"] = os.pathsep.join(
            os.path.join(directory, entry)
            for entry in result["PYTHONPATH"].split(os.pathsep)
        )
    result[SYS_PATH_VARIABLE] = json.dumps(
        [os.path.join(directory, entry) for entry in path]
    )
    return result


def takeSysPath(environment: MutableMapping[str, str] = os.environ) -> list[str] | None:
    """
    Take the primary's C{sys.path} out of a worker's environment.

    @return: C{None} if whoever started the worker did not pass it.
    """
    text = environment.pop(SYS_PATH_VARIABLE, None)
    return None if text is None else [str(entry) for entry in json.loads(text)]
