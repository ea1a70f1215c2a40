"""
What can be run in a cluster, with which reactor; and what is said, once, about
what cannot.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import field, frozen

from tests.integration.asking import pidsOfAnswers, whoAnswers
from tests.integration.running import APPLICATIONS, TWIST, TWISTD, RunningCluster

PROGRAM = os.path.join("sample", "program.py")


def assertInTurn(cluster: RunningCluster, address: int | str) -> None:
    """
    Fail unless all workers answer, one after the other.
    """
    pids = pidsOfAnswers(address, 2 * cluster.workers)
    assert Counter(pids) == dict.fromkeys(cluster.workerPIDs().values(), 2)
    assert pids[: cluster.workers] == pids[cluster.workers :]


class TestTac:
    """
    C{twistd cluster FILE.tac}.
    """

    def test_tcpServer(self) -> None:
        """
        A service of the classic kind listens on a TCP port.
        """
        with RunningCluster("tcpserver.tac") as cluster:
            assertInTurn(cluster, cluster.port)
            answer = whoAnswers(cluster.port)
            assert answer["peer"] == answer["client"]

    def test_unixSocket(self, tmp_path: Path) -> None:
        """
        A service described by a string listens on a UNIX socket, with the mode
        it wants; nothing is left of it in the end.
        """
        path = tmp_path / "socket"
        with RunningCluster(
            "unixsocket.tac", environment={"SOCKET": str(path)}
        ) as cluster:
            assertInTurn(cluster, str(path))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(tmp_path.iterdir()) == []


@frozen(kw_only=True)
class Program:
    """
    A way to run the sample program, and what it must notice of it.

    @ivar launcher: What comes before C{cluster}.
    @ivar target: What comes behind.
    @ivar reactor: A class of its reactor.
    @ivar loop: How the name of its event loop's module begins.
    @ivar argv: Its C{sys.argv}, if it is C{__main__}.
    """

    launcher: Sequence[str] = (TWISTD, "-n", "--pidfile=")
    target: Sequence[str]
    reactor: str
    loop: str = "builtins"
    argv: Sequence[str] | None = field(default=None)


def twistd(*options: str) -> tuple[str, ...]:
    """
    C{twistd} with some options.
    """
    return (TWISTD, "-n", "--pidfile=", *options)


def twist(*options: str) -> tuple[str, ...]:
    """
    C{twist} with some options, logging as C{twistd} does.
    """
    return (*TWIST, "--log-format=text", *options)


PROGRAMS = {
    "script": Program(
        launcher=twistd("--reactor=poll"),
        target=[PROGRAM],
        reactor="PollReactor",
        argv=[os.path.join(APPLICATIONS, PROGRAM)],
    ),
    "script that installs asyncioreactor": Program(
        target=[PROGRAM, "asyncio", "--an-option", "two words"],
        reactor="AsyncioSelectorReactor",
        loop="asyncio",
        argv=[
            os.path.join(APPLICATIONS, PROGRAM),
            *("asyncio", "--an-option", "two words"),
        ],
    ),
    "module that installs uvloop": Program(
        target=["--", "-m", "sample.program", "uvloop", "--workers", "7"],
        reactor="AsyncioSelectorReactor",
        loop="uvloop",
        argv=[
            os.path.join(APPLICATIONS, PROGRAM),
            *("uvloop", "--workers", "7"),
        ],
    ),
    "module that chooses against the outer reactor": Program(
        launcher=twistd("--reactor=asyncio"),
        target=["--", "-m", "sample.program", "select"],
        reactor="SelectReactor",
        argv=[os.path.join(APPLICATIONS, PROGRAM), "select"],
    ),
    "service": Program(
        launcher=twistd("--reactor=select"),
        target=["sample.attributes:service"],
        reactor="SelectReactor",
    ),
    "application": Program(
        launcher=twistd("--reactor=asyncio"),
        target=["sample.attributes:application"],
        reactor="AsyncioSelectorReactor",
        loop="asyncio",
    ),
    "callable": Program(
        launcher=twistd("--reactor=cluster"),
        target=["sample.attributes:start"],
        reactor="PosixReactorBase",
    ),
    "coroutine function, under twist": Program(
        launcher=twist("--reactor=poll"),
        target=["sample.attributes:startLater"],
        reactor="PollReactor",
    ),
    "script, under twist": Program(
        launcher=twist(),
        target=[PROGRAM],
        reactor="PosixReactorBase",
        argv=[os.path.join(APPLICATIONS, PROGRAM)],
    ),
    "application, under twist": Program(
        launcher=twist("--reactor=asyncio"),
        target=["sample.attributes:application"],
        reactor="AsyncioSelectorReactor",
        loop="asyncio",
    ),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_program(program: Program) -> None:
    """
    Each kind of target is served by all workers in turn, as the program that it
    is, on the reactor that it or its user chose.
    """
    if "uvloop" in program.target:
        pytest.importorskip("uvloop")
    with RunningCluster(*program.target, launcher=program.launcher) as cluster:
        # Those that begin to listen when their reactor runs say so later.
        cluster.waitForLine("(starting on|listens on) ", count=cluster.workers + 1)
        assertInTurn(cluster, cluster.port)
        answer = whoAnswers(cluster.port)
    assert answer["peer"] == answer["client"]
    assert answer["module"] == (
        "sample.program" if program.argv is None else "__main__"
    )
    assert program.reactor in answer["reactor"]
    assert "BorrowingReactorMixin" in answer["reactor"]
    assert answer["loop"].split(".")[0] == program.loop
    if program.argv is not None:
        assert answer["argv"] == list(program.argv)


def test_consoleScript(tmp_path: Path) -> None:
    """
    What installers make of an entry point is a target by its path.
    """
    script = tmp_path / "serve"
    script.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "from sample.program import main\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(main(sys.argv[1:]))\n"
    )
    script.chmod(0o755)
    with RunningCluster(
        str(script), "select", environment={"PYTHONPATH": _pathWith(APPLICATIONS)}
    ) as cluster:
        assertInTurn(cluster, cluster.port)
        answer = whoAnswers(cluster.port)
    assert answer["argv"] == [str(script), "select"]
    assert answer["module"] == "sample.program"
    assert "SelectReactor" in answer["reactor"]


def _pathWith(directory: str) -> str:
    return os.pathsep.join([directory, *filter(None, [os.environ.get("PYTHONPATH")])])


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_uid() -> None:
    """
    The workers become somebody else; the primary does not, so that they can
    still have a privileged port.
    """
    port = _freePrivilegedPort()
    with RunningCluster(
        "sample.attributes:start",
        options=["--uid", str(NOBODY), "--gid", str(NOBODY)],
        environment={"PORT": str(port)},
    ) as cluster:
        assert cluster.port == port
        assertInTurn(cluster, port)
        assert whoAnswers(port)["uid"] == NOBODY
        assert os.stat(f"/proc/{cluster.pid}").st_uid == 0
        for pid in cluster.workerPIDs().values():
            status = Path(f"/proc/{pid}/status").read_text()
            for kind in ("Uid", "Gid"):
                assert re.search(rf"^{kind}:(\t{NOBODY}){{4}}$", status, re.MULTILINE)


def _freePrivilegedPort() -> int:
    for number in range(1023, 600, -1):
        try:
            socket.create_server(("127.0.0.1", number)).close()
        except OSError:
            continue
        return number
    pytest.skip("all privileged ports are in use")


def test_help() -> None:
    """
    The help of a plugin is its own, with its own options, and starts nothing.
    """
    with RunningCluster("web", "--help", wait=False) as cluster:
        assert cluster.waitForExit() == 0
    cluster.waitForLine("--path=")
    assert cluster.log.matches("--window=|worker [0-9]+ started") == []


# -- what cannot be run


@frozen
class Mistake:
    """
    A target that cannot be run.

    @ivar target: The words after C{cluster}; C{{here}} is a directory that has
        the file.
    @ivar message: A regular expression for what is said about it.
    @ivar started: How many workers are needed to find out.
    @ivar file: The name and the content of a file, if there has to be one.
    """

    target: Sequence[str]
    message: str
    started: int
    file: tuple[str, str] | None = None


MISTAKES = {
    "no such plugin": Mistake(
        ["wbe"], r"'wbe' is no installed twistd plugin.*did you mean 'web'\?", 0
    ),
    "wrong option of a plugin": Mistake(
        ["web", "--no-such-option"], "option --no-such-option not recognized", 0
    ),
    "no such tac": Mistake(["missing.tac"], "there is no file .*/missing.tac", 0),
    "no such script": Mistake(["missing.py"], "there is no file .*/missing.py", 0),
    "no such module": Mistake(["no.such:thing"], "there is no module no", 0),
    "no such program": Mistake(
        ["--", "-m", "sample.missing"], "there is no module sample.missing", 0
    ),
    "no such attribute": Mistake(
        ["sample.attributes:missing"], "sample.attributes:missing does not exist", 1
    ),
    "nothing to run": Mistake(
        ["sample.attributes:number"], "class builtins.int, which cannot be run", 1
    ),
    "resource without a port": Mistake(
        ["kleinsite:app"], "say where to listen, for example --listen", 1
    ),
    "failing import": Mistake(
        ["{here}/a.py"],
        "ModuleNotFoundError: No module named 'no_such_module'",
        1,
        ("a.py", "import no_such_module\n"),
    ),
    "failing import in a tac": Mistake(
        ["{here}/a.tac"],
        "ModuleNotFoundError: No module named 'no_such_module'",
        1,
        ("a.tac", "import no_such_module\n"),
    ),
    "syntax error": Mistake(
        ["{here}/a.py"], "SyntaxError: ", 1, ("a.py", "def main(:\n")
    ),
    "syntax error in a tac": Mistake(
        ["{here}/a.tac"], "SyntaxError: ", 1, ("a.tac", "application = (\n")
    ),
    "tac without an application": Mistake(
        ["{here}/a.tac"], "a.tac does not define 'application'", 1, ("a.tac", "a = 1\n")
    ),
    "program that ends at once": Mistake(
        ["{here}/a.py"],
        r"ended before its program was running \(exit status 0\)",
        1,
        ("a.py", "print('done')\n"),
    ),
    "program that fails with its own status": Mistake(
        ["{here}/a.py"],
        r"ended before its program was running \(exit status 3\)",
        1,
        ("a.py", "raise SystemExit(3)\n"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistake(mistake: Mistake, tmp_path: Path) -> None:
    """
    What cannot be run is reported with one message, and the command fails; at
    most one worker was started to find out, and no other instead of it.
    """
    if mistake.file is not None:
        name, content = mistake.file
        (tmp_path / name).write_text(content)
    target = [word.replace("{here}", str(tmp_path)) for word in mistake.target]
    with RunningCluster(*target, wait=False) as cluster:
        assert cluster.waitForExit() == 1
    assert len(re.findall(mistake.message, str(cluster.log))) == 1, str(cluster.log)
    started = cluster.log.matches("worker [0-9]+ started")
    assert len(started) == mistake.started, str(cluster.log)


@pytest.mark.parametrize(
    "launcher", [twistd(), twist()], ids=["under twistd", "under twist"]
)
def test_portInUse(launcher: Sequence[str]) -> None:
    """
    A port that somebody else has is such a failure, too; under C{twist} as
    well.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        description = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        with RunningCluster(
            "web", "--listen", description, launcher=launcher, wait=False
        ) as cluster:
            assert cluster.waitForExit() == 1
    cluster.waitForLine("CannotListenError.* Address already in use")
    assert len(cluster.log.matches("worker [0-9]+ started")) == 1


def test_interpreterOptions() -> None:
    """
    The workers run on the same interpreter.
    """
    with RunningCluster("tcpserver.tac", workers=1) as cluster:
        for pid in cluster.workerPIDs().values():
            assert os.path.samefile(f"/proc/{pid}/exe", sys.executable)
