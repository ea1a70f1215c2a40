"""
Runs what documentation shows: commands at a terminal, and what they answer.

A passage is a list of commands, each with what it prints.  A command that
starts a server is left running, and waited for, until the next such command;
all others run until they end, and must print what is shown.  Where reality
may differ from what is shown:

  - Port 8080 and its neighbours stand for ports that are free.  Any other
    number behind a colon, a client's port, stands for any number.
  - A number of four or more digits stands for any number: the same for the
    same, and different ones in one answer for different ones.  In a later
    command it is replaced by what it stood for.
  - C{...} stands for anything; on a line of its own, for any lines.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

from attrs import define, field, frozen
from typing_extensions import Self

from tests.integration.running import TIMEOUT, RunningProgram, until

_MARK = "PASSAGE_OF_A_TEST"
_PORT = re.compile(r"\b80[89]\d\b")
_NUMBER = re.compile(r"\d{4,}")
_ASSIGNMENT = re.compile(r"[A-Z_]+=")


@frozen
class Command:
    """
    A command, and what it is shown to print.

    @ivar text: The command.
    @ivar shown: The lines behind it.
    """

    text: str
    shown: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """
        The command's words, without what it adds to its environment.
        """
        words = shlex.split(self.text)
        return words[len(self.environment) :]

    @property
    def environment(self) -> dict[str, str]:
        """
        What it adds to its environment.
        """
        added: dict[str, str] = {}
        for word in shlex.split(self.text):
            if not _ASSIGNMENT.match(word):
                break
            name, _, value = word.partition("=")
            added[name] = value
        return added

    @property
    def isTwisted(self) -> bool:
        """
        Whether it takes the place of the server that runs.
        """
        return self.words[0] in {"twistd", "twist"}

    @property
    def isProgram(self) -> bool:
        """
        Whether it is a program that starts workers itself, and says when they
        listen.
        """
        return self.words[0] == "python" and any(
            " listens on " in line for line in self.shown
        )

    @property
    def isServer(self) -> bool:
        """
        Whether it is a server itself, and runs until it is stopped.
        """
        if self.isProgram:
            return True
        # What is piped to something, or followed by something, has to end.
        ends = bool({";", "|"} & set(self.text))
        return self.isTwisted and bool({"twist", "-n"} & set(self.words)) and not ends

    @property
    def whenUp(self) -> str:
        """
        What a server logs when it serves.
        """
        if self.isProgram:
            return " listens on "
        if "cluster" in self.words:
            return r" is running, (\d+) of \1$"
        return r" starting on \d+$"


@frozen
class LogLines:
    """
    What the running server is shown to log.

    @ivar shown: The lines, without time and origin.
    """

    shown: tuple[str, ...]


Step = Command | LogLines


def commandsIn(lines: list[str]) -> Iterator[Command]:
    """
    The commands of a block, each behind C{$}.

    @raise AssertionError: if something else comes first.
    """
    text: str | None = None
    shown: list[str] = []
    for line in lines:
        if line.startswith("$ "):
            if text is not None:
                yield Command(text, tuple(shown))
            text, shown = line[2:], []
        elif line.startswith("> ") and not shown:
            # As a shell shows that a command goes on.
            text = f"{text}\n{line[2:]}"
        else:
            assert text is not None, f"{line!r} is behind no command"
            shown.append(line)
    if text is not None:
        yield Command(text, tuple(shown))


def _freePort() -> int:
    """
    A port that nobody listens on, for TCP and UDP.
    """
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        # The loopback interface alone would miss what listens on all.
        tcp.bind(("", 0))
        number: int = tcp.getsockname()[1]
        udp.bind(("", number))
    return number


@define(eq=False)
class Terminal:
    """
    Where one passage's commands are given; a context manager, at the end of
    which nothing may be left of them.

    @ivar directory: Where they are given.
    @ivar server: The one that runs.
    @ivar meanings: What the numbers shown stand for.
    """

    directory: Path
    server: RunningProgram | None = None
    meanings: dict[str, str] = field(factory=dict)
    _mark: str = field(factory=lambda: secrets.token_hex(8), init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stopServer()
            until(lambda: not self._left(), f"{self._left()} are left", 10)
        finally:
            for pid in self._left():
                os.kill(pid, signal.SIGKILL)

    def run(self, step: Step) -> None:
        """
        Take one step.

        @raise AssertionError: if it does not do what is shown.
        """
        if isinstance(step, LogLines):
            self._expectLogged(step.shown)
            return
        if step.isTwisted or step.isProgram:
            self.stopServer()
        if step.isServer:
            self._startServer(step)
        else:
            self._runToItsEnd(step)

    def stopServer(self) -> None:
        """
        End the server that runs, which must end well.
        """
        if self.server is not None:
            server, self.server = self.server, None
            status = server.stop()
            # Twisted's own programs end by the signal that stopped them.
            assert status in (-signal.SIGTERM, 0), f"exit status {status}\n{server.log}"

    def port(self, shown: str = "8080") -> int:
        """
        What a port that is shown stands for.
        """
        if shown not in self.meanings:
            self.meanings[shown] = str(_freePort())
        return int(self.meanings[shown])

    def _startServer(self, command: Command) -> None:
        real = Command(self.real(command.text), ())
        self.server = RunningProgram(
            real.words, str(self.directory), {**real.environment, **self._environment()}
        )
        self.server.waitForLine(command.whenUp)
        self._expectLogged(command.shown)

    def _runToItsEnd(self, command: Command) -> None:
        real = self.real(command.text)
        done = subprocess.run(
            ["bash", "-c", real],
            cwd=self.directory,
            env={**os.environ, **self._environment()},
            check=False,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        pattern = "\n".join(self._patternsOf(command.shown))
        match = re.fullmatch(pattern, done.stdout.replace("\r", "").rstrip("\n"))
        assert match, (
            f"$ {real}\n{done.stdout}\nis not what is shown:\n"
            + "\n".join(command.shown)
            + (f"\nThe server:\n{self.server.log}" if self.server else "")
        )
        self._learn(match.groupdict())

    def _expectLogged(self, shown: tuple[str, ...]) -> None:
        assert not shown or self.server is not None, "no server runs"
        after = 0
        # Which worker is the first to be ready, or gets a connection, is open.
        for line in shown:
            assert self.server is not None
            [pattern] = self._patternsOf((line,), small=r"\d+")
            log = self.server.log
            match = log.waitForLine(rf"(?:^|\] ){pattern}$", after)
            self._learn(match.groupdict())
            after = log.lines.index(match.string, after) + 1

    def _patternsOf(self, shown: tuple[str, ...], small: str = "") -> list[str]:
        """
        Regular expressions for lines that are shown.

        @param small: What to put for numbers of few digits; by default, they
            stand for themselves.
        """
        known: set[str] = set()
        return [self._patternOf(line, known, small) for line in shown]

    def _patternOf(self, line: str, known: set[str], small: str) -> str:
        if line == "...":
            return r"(?s:.*?)"
        pattern = ""
        line = line.replace("0.0.0.0:", "127.0.0.1:")
        for piece in re.split(r"(\.\.\.|127\.0\.0\.1|:\d{4,}|\d+)", line):
            if piece == "...":
                pattern += ".*"
            elif _PORT.fullmatch(piece.removeprefix(":")):
                pattern += self.real(piece)
            elif re.fullmatch(r":\d{4,}", piece):
                # A client's port is another one each time.
                pattern += r":\d+"
            elif not _NUMBER.fullmatch(piece):
                pattern += small if small and piece.isdigit() else re.escape(piece)
            elif piece in self.meanings:
                pattern += self.meanings[piece]
            elif piece in known:
                pattern += f"(?P=n{piece})"
            else:
                others = "".join(rf"(?!(?P=n{other})\b)" for other in sorted(known))
                pattern += rf"{others}(?P<n{piece}>\d+)"
                known.add(piece)
        return pattern

    def _learn(self, found: Mapping[str, str]) -> None:
        self.meanings.update({name[1:]: value for name, value in found.items()})

    def real(self, text: str) -> str:
        """
        A command, or a program, with what its numbers stand for, and for
        clients on this machine only.
        """

        def meaning(match: re.Match[str]) -> str:
            number = match[0]
            if _PORT.fullmatch(number):
                return str(self.port(number))
            return self.meanings.get(number, number)

        text = re.sub(r"(tcp:80[89]\d)(?=\s|$)", r"\1:interface=127.0.0.1", text)
        return re.sub(r"\d{4,}", meaning, text)

    def _environment(self) -> dict[str, str]:
        path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "no_proxy": "*", _MARK: self._mark}

    def _left(self) -> list[int]:
        """
        The processes that were started here, directly or not.
        """
        mark = f"{_MARK}={self._mark}".encode()
        left = []
        for entry in os.listdir("/proc"):
            try:
                surroundings = Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue
            if mark in surroundings.split(b"\0"):
                left.append(int(entry))
        return left
