"""
What the documentation shows at a terminal is what happens.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest
from attrs import frozen

from tests.integration.consoles import Command, LogLines, Step, Terminal, commandsIn
from tests.integration.test_examples import EXAMPLES
from tests.test_packaging import readmeCommands

ROOT = EXAMPLES.parent
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "docs").rglob("*.rst")
    if "_build" not in path.parts
)

pytestmark = pytest.mark.skipif(
    not PAGES, reason="the documentation is not here, only what is installed"
)

_BLOCK = re.compile(r"( *)\.\. code-block::(.*)")
_OPTION = re.compile(r" *:(\w+): *(.*)")
_LIKE_A_COMMAND = re.compile(r"(\$|twistd?|trial|python3?|curl|pip)\s")


@frozen
class Block:
    """
    A C{code-block} of a page.

    @ivar language: Its language.
    @ivar caption: Its caption; empty if it has none.
    @ivar lines: What is in it.
    """

    language: str
    caption: str
    lines: list[str]


def blocksOf(page: str) -> list[Block]:
    """
    Every block of a page, in order.
    """
    lines = (ROOT / page).read_text().splitlines()
    blocks = []
    for number, line in enumerate(lines):
        match = _BLOCK.fullmatch(line)
        if match:
            blocks.append(_blockOf(match, lines[number + 1 :]))
    return blocks


def _blockOf(directive: re.Match[str], following: list[str]) -> Block:
    options: dict[str, str] = {}
    while following and (option := _OPTION.fullmatch(following[0])):
        options[option[1]] = option[2]
        del following[0]
    indentation = directive[1] + " "
    end = next(
        (
            n
            for n, line in enumerate(following)
            if line and not line.startswith(indentation)
        ),
        len(following),
    )
    body = textwrap.dedent("\n".join(following[:end])).strip("\n").splitlines()
    return Block(directive[2].strip(), options.get("caption", ""), body)


def stepsOf(page: str) -> list[Step]:
    """
    What a reader of a page does and sees, in order.
    """
    steps: list[Step] = []
    for block in blocksOf(page):
        if block.language == "console":
            steps += commandsIn(block.lines)
        elif block.language == "text" and block.caption == "The log":
            steps.append(LogLines(tuple(block.lines)))
    return steps


RUN = [page for page in PAGES if stepsOf(page)]


@pytest.mark.parametrize("page", RUN)
def test_page(page: str, tmp_path: Path) -> None:
    """
    The commands of a page, one after the other, do what is shown; there are
    the examples, and the files that the page has the reader write.
    """
    directory = tmp_path / "examples"
    shutil.copytree(EXAMPLES, directory)
    with Terminal(directory) as terminal:
        for block in blocksOf(page):
            if block.language == "python":
                source = "\n".join(block.lines) + "\n"
                (directory / block.caption).write_text(terminal.real(source))
        for step in stepsOf(page):
            terminal.run(step)


@pytest.mark.parametrize("page", PAGES)
def test_everyBlockIsKnown(page: str) -> None:
    """
    Nothing escapes L{test_page}: what looks like a command is in a block that
    is run, and Python is in a file that a command names.
    """
    commands = [step.text for step in stepsOf(page) if isinstance(step, Command)]
    for block in blocksOf(page):
        assert block.language in {"console", "ini", "none", "python", "text"}
        if block.language == "none":
            assert not any(map(_LIKE_A_COMMAND.match, block.lines)), block
        elif block.language == "text":
            assert block.caption == "The log"
        elif block.language == "python":
            name = block.caption.removesuffix(".py")
            assert name, f"a program without a name: {block.lines}"
            assert any(name in command for command in commands)
    text = (ROOT / page).read_text()
    assert not re.findall(r"^(?! *\.\. ).*::$", text, re.MULTILINE), "a literal block"


def test_readme() -> None:
    """
    The commands of the README make an environment from nothing, so they are
    not run here but by whoever tries it out and by the automatic checks.
    C{tests/test_packaging.py} looks at these two, and there are no others.
    """
    assert readmeCommands() == [
        step.text for step in stepsOf("README") if isinstance(step, Command)
    ]
