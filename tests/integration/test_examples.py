"""
Every file in C{examples/} does what it says.
"""

from __future__ import annotations

import ast
import shutil
import textwrap
from pathlib import Path

import pytest

from tests.integration.consoles import Command, Terminal, commandsIn

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(p.name for p in EXAMPLES.iterdir() if p.name != "__pycache__")


def commandsOf(name: str) -> list[Command]:
    """
    The commands in the docstring of an example: all that is indented.
    """
    documentation = ast.get_docstring(ast.parse((EXAMPLES / name).read_text()))
    assert documentation, f"{name} does not say how to run it"
    indented = [line for line in documentation.splitlines() if line.startswith("    ")]
    return list(commandsIn(textwrap.dedent("\n".join(indented)).splitlines()))


@pytest.mark.parametrize("name", FILES)
def test_example(name: str, tmp_path: Path) -> None:
    """
    The first command starts it on several workers, and each of the others is
    a client's and prints what is shown.
    """
    first, *others = commandsOf(name)
    assert first.isServer
    assert first.isProgram or "cluster --workers 4" in first.text
    assert name.removesuffix(".py") in first.text
    assert others
    assert all(command.shown and not command.isServer for command in others)
    directory = tmp_path / "examples"
    shutil.copytree(EXAMPLES, directory)
    with Terminal(directory) as terminal:
        for command in (first, *others):
            terminal.run(command)
