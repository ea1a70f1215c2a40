"""
What a primary does for its workers: rotation, output, ports and users; and
that it does nothing before it is started.
"""

from __future__ import annotations

import ast
import grp
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import twisted_cluster
from tests.integration.asking import HOST
from tests.integration.running import APPLICATIONS, TIMEOUT
from tests.integration.supervising import Client, meet, orderEach, supervised


class TestRotation:
    """
    Strictly in turn.
    """

    def test_sequence(self) -> None:
        """
        Of 20 connections, one after the other, each of 2 workers gets every
        second one.
        """
        with supervised(workers=2) as cluster:
            answers = [meet(cluster.port) for _ in range(20)]
            assert set(answers) == set(cluster.workerPIDs().values())
            assert len(set(answers[0::2])) == len(set(answers[1::2])) == 1

    def test_burst(self) -> None:
        """
        Of 60 connections at once each of 3 idle workers gets 20.
        """
        with supervised(workers=3) as cluster, ExitStack() as stack:
            clients = [stack.enter_context(Client(cluster.port)) for _ in range(60)]
            shares = Counter(client.meet() for client in clients)
            assert shares == dict.fromkeys(cluster.workerPIDs().values(), 20)


class TestOutput:
    """
    What workers write.
    """

    def test_lines(self) -> None:
        """
        Each line of each worker's standard output and error is in the primary's
        log, with the worker's number.
        """
        with supervised() as cluster:
            mark = cluster.log.mark()
            for client in orderEach(cluster, "write some words"):
                client.close()
            for number in cluster.workerPIDs():
                for words in ("some words", "SOME WORDS"):
                    cluster.waitForLine(rf" \[worker {number}\] {words}$", mark)


CHECK = """
import os, sys
from twisted_cluster._run.plugin import Options, makeService
def parent(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1]
    except OSError:
        return None
def look():
    children = [p for p in os.listdir("/proc") if p.isdigit()
                and parent(p) == str(os.getpid())]
    names = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    sockets = [n for n in names if os.path.islink(n) and "socket" in os.readlink(n)]
    return children, sockets
options = Options()
options.parseOptions(["--workers", "2", "--bind", "tcp:0", sys.argv[1], "0"])
service = makeService(options)
print(look())
service.privilegedStartService()
print(look())
service.startService()
print(look())
"""


class TestStart:
    """
    Nothing before its time.
    """

    def test_nothingBefore(self) -> None:
        """
        When the service is made nothing listens and nothing runs; its first
        step opens the early ports, its second starts workers.
        """
        result = subprocess.run(
            [sys.executable, "-c", CHECK, os.path.join(APPLICATIONS, "supervised.py")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        seen = [ast.literal_eval(line) for line in result.stdout.splitlines()]
        made, privileged, started = [(len(kids), len(socks)) for kids, socks in seen]
        # The reactor's own waker is a socket pair on some systems.
        assert made[0] == privileged[0] == 0
        assert privileged[1] == made[1] + 1
        assert started[0] == 1


NEEDED = "import twisted.internet.epollreactor, twisted_cluster._run.service, sys; "
"""
Imports what a primary and its workers do; what they import later is in the same
packages.
"""


def copyPackages(directory: str) -> None:
    """
    Copy the installed packages that a cluster needs to a directory.
    """
    used = "print(*(m.__file__ for m in sys.modules.values() if '__file__' in vars(m)))"
    result = subprocess.run(
        [sys.executable, "-c", NEEDED + used],
        stdout=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    for path in result.stdout.split():
        place, found, rest = path.rpartition("/site-packages/")
        name = rest.partition("/")[0]
        source, target = f"{place}/site-packages/{name}", f"{directory}/{name}"
        if not found or os.path.exists(target):
            continue
        if os.path.isdir(source):
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def pythonForEveryone(directory: str) -> list[str] | None:
    """
    The command of a Python that every user can run, with all that is needed
    here; the environment it needs comes with it, by env(1).

    @param directory: Where everybody may read, for copies of packages: a virtual
        environment may be where only its owner can.
    """
    source = os.path.dirname(os.path.dirname(twisted_cluster.__file__))
    installed = [path for path in sys.path if path.endswith("site-packages")]
    check = NEEDED + "open(sys.argv[1])"
    script = os.path.join(APPLICATIONS, "supervised.py")
    copyPackages(directory)
    for python, places in (
        (sys.executable, installed),
        (os.path.realpath(sys.executable), [directory]),
        ("/usr/bin/python3", [directory]),
    ):
        path = os.pathsep.join([source, *places])
        command = ["env", f"PYTHONPATH={path}", python]
        try:
            subprocess.run(
                [*command, "-c", check, script],
                user="nobody",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                timeout=TIMEOUT,
                check=True,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return command
    return None


def freePrivilegedPort() -> int:
    """
    A port below 1024 that nobody has.
    """
    for number in range(1023, 512, -1):
        with socket.socket() as attempt:
            try:
                attempt.bind((HOST, number))
            except OSError:
                continue
            return number
    raise AssertionError("all privileged ports are in use")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
class TestUsers:
    """
    Workers that are somebody else.
    """

    @pytest.fixture(scope="class", name="launcher")
    @staticmethod
    def findLauncher() -> Iterator[list[str]]:
        """
        A C{twistd} that goes on when it has become somebody else.
        """
        with tempfile.TemporaryDirectory(prefix="packages-") as directory:
            os.chmod(directory, 0o755)
            command = pythonForEveryone(directory)
            if command is None:
                pytest.skip("no Python here can be read by nobody")
            run = "from twisted.scripts.twistd import run; run()"
            yield [*command, "-c", run, "-n", "--pidfile="]

    @pytest.mark.parametrize("bind", [False, True])
    def test_privilegedPort(self, launcher: list[str], bind: bool) -> None:
        """
        With --uid and --gid the workers are that user and nobody else, and
        listen on a privileged port that the primary opens; early, or when they
        ask.
        """
        nobody = pwd.getpwnam("nobody")
        group = grp.getgrgid(nobody.pw_gid)
        port = freePrivilegedPort()
        options = ["--uid", "nobody", "--gid", group.gr_name]
        if bind:
            options += ["--bind", f"tcp:{port}:interface={HOST}"]
        with supervised(port=port, options=options, launcher=launcher) as cluster:
            for client in orderEach(cluster, "users"):
                users, groups, others = ast.literal_eval(client.hear())
                client.close()
                assert users == (nobody.pw_uid,) * 3
                assert groups == (group.gr_gid,) * 3
                assert set(others) <= {group.gr_gid}

    def test_reach(self, launcher: list[str]) -> None:
        """
        They can neither signal the primary nor look into it.
        """
        options = ["--uid", "nobody"]
        with supervised(options=options, launcher=launcher) as cluster:
            for client in orderEach(cluster, "reach"):
                assert client.hear() == "nothing"
                client.close()

    def test_outliveThePrimary(self, launcher: list[str]) -> None:
        """
        With --orphan-time they outlive it, and no longer than they may.
        """
        options = ["--uid", "nobody", "--orphan-time", "1.5"]
        with supervised(options=options, launcher=launcher) as cluster:
            for client in orderEach(cluster, "block"):
                client.close()
            cluster.waitForLine("blocking", count=2)
            cluster.process.kill()
            cluster.process.wait(30)
            assert len(cluster.processes()) == 2
            cluster.assertNoneLeft()

    def test_endWithThePrimary(self, launcher: list[str]) -> None:
        """
        They end with the primary though they changed their user since they
        were started.
        """
        options = ["--uid", "nobody"]
        with supervised(options=options, launcher=launcher) as cluster:
            for client in orderEach(cluster, "block"):
                client.close()
            # They are seen though they are somebody else's.
            assert len(cluster.processes()) == 3
            cluster.process.kill()
            cluster.waitForExit()
            cluster.assertNoneLeft()
