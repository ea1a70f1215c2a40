"""
Where Twisted's and Python's documentation describes what our docstrings name.

Sphinx publishes such lists with a documentation, but fetching them would make
our check of the documentation depend on the network.  What is installed knows
its names as well.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from zope.interface.interface import InterfaceClass

TWISTED = "https://docs.twisted.org/en/stable/api"
PYTHON = "https://docs.python.org/3"

_TWISTED_MODULE = re.compile(r"\btwisted(?:\.[a-z_0-9]+)+")
_LINK = re.compile(r"L\{(?:[^}<]*<)?([a-z_0-9]+)[\w.]*>?\}")


def _found(pattern: re.Pattern[str], package: Path) -> set[str]:
    """
    Everything in a package's source that a pattern finds.
    """
    return {
        name
        for path in package.rglob("*.py")
        for name in pattern.findall(path.read_text(encoding="utf-8"))
    }


def _inTwisted(module: str) -> Iterator[tuple[str, str]]:
    """
    What one of Twisted's modules defines: each name, and its page.
    """
    try:
        loaded = importlib.import_module(module)
    except ImportError:
        # A name within a module, such as a function's.
        return
    yield module, f"{module}.html"
    for name, value in vars(loaded).items():
        if name.startswith("_"):
            continue
        isInterface = isinstance(value, InterfaceClass)
        if not inspect.isclass(value) and not isInterface:
            yield f"{module}.{name}", f"{module}.html#{name}"
            continue
        yield f"{module}.{name}", f"{module}.{name}.html"
        members = value.names(all=True) if isInterface else dir(value)
        for member in members:
            if not member.startswith("_"):
                page = f"{module}.{name}.html#{member}"
                yield f"{module}.{name}.{member}", page


def _inPython(module: str) -> Iterator[tuple[str, str]]:
    """
    What a module of the standard library defines.
    """
    yield module, f"library/{module}.html"
    for name in vars(importlib.import_module(module)):
        yield f"{module}.{name}", f"library/{module}.html#{module}.{name}"


def _write(inventory: Path, entries: Iterable[tuple[str, str]]) -> None:
    """
    Write a list in Sphinx's format.
    """
    # Sphinx needs some kind of object, and any will do.
    lines = "".join(f"{name} py:class 1 {page} -\n" for name, page in sorted(entries))
    header = (
        "# Sphinx inventory version 2\n"
        "# Project: installed\n"
        "# Version: installed\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    inventory.write_bytes(header.encode() + zlib.compress(lines.encode()))


def writeInventories(package: Path, twisted: Path, python: Path) -> None:
    """
    Write the lists of what is named in the source of a package.
    """
    named = _found(_TWISTED_MODULE, package) - {"twisted.internet.reactor"}
    _write(twisted, {entry for module in named for entry in _inTwisted(module)})
    named = _found(_LINK, package) & sys.stdlib_module_names
    _write(python, {entry for module in named for entry in _inPython(module)})
