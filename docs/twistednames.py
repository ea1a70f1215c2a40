"""
Where Twisted's API documentation describes what our docstrings name.

Sphinx publishes such a list with the documentation, but fetching it would make
our check of the documentation depend on the network.  The installed Twisted
knows its names as well.
"""

from __future__ import annotations

import importlib
import inspect
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

BASE_URL = "https://docs.twisted.org/en/stable/api"

_MODULE = re.compile(r"\btwisted(?:\.[a-z_0-9]+)+")


def _modules(package: Path) -> set[str]:
    """
    The modules of Twisted that are named anywhere in a package's source.
    """
    return {
        name
        for path in package.rglob("*.py")
        for name in _MODULE.findall(path.read_text(encoding="utf-8"))
    }


def _entries(module: str) -> Iterator[tuple[str, str]]:
    """
    What a module defines: each name, and the page that describes it.
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
        if not inspect.isclass(value) and not hasattr(value, "names"):
            yield f"{module}.{name}", f"{module}.html#{name}"
            continue
        yield f"{module}.{name}", f"{module}.{name}.html"
        members = dir(value) if inspect.isclass(value) else value.names(all=True)
        for member in members:
            if not member.startswith("_"):
                page = f"{module}.{name}.html#{member}"
                yield f"{module}.{name}.{member}", page


def writeInventory(package: Path, inventory: Path) -> None:
    """
    Write the list in Sphinx's format.

    @param package: The source whose references are to be found.
    """
    entries = sorted(
        {
            entry
            for module in _modules(package) - {"twisted.internet.reactor"}
            for entry in _entries(module)
        }
    )
    # Sphinx needs some kind of object, and any will do.
    lines = "".join(f"{name} py:class 1 {page} -\n" for name, page in entries)
    header = (
        "# Sphinx inventory version 2\n"
        "# Project: Twisted\n"
        "# Version: installed\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    inventory.write_bytes(header.encode() + zlib.compress(lines.encode()))
