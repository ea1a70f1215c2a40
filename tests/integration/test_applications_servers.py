"""
Servers of Twisted's own on a cluster, with the clients that people use for
them: C{twistd dns}, C{twistd conch} and C{twistd ftp}.
"""

from __future__ import annotations

import ftplib
import getpass
import io
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
from attrs import frozen

from tests.integration.running import TIMEOUT, RunningCluster, until

HOST = "127.0.0.1"


def isStopped(pid: int) -> bool:
    """
    Whether a process was stopped by a signal.
    """
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


class TestDNS:
    """
    C{twistd cluster dns}, asked by dnspython.
    """

    @pytest.fixture(scope="module", name="cluster")
    @staticmethod
    def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
        """
        It knows one name.
        """
        hosts = tmp_path_factory.mktemp("dns") / "hosts"
        hosts.write_text("192.0.2.7 known.example\n")
        with RunningCluster(
            *("dns", "--hosts-file", str(hosts)),
            *("--interface", HOST, "--port", "0"),
        ) as cluster:
            yield cluster

    def test_tcp(self, cluster: RunningCluster) -> None:
        """
        Each worker answers over TCP.
        """
        [port] = cluster.portsOf("tcp")
        query = dns.message.make_query("known.example", "A")
        for _ in range(2 * cluster.workers):
            answer = dns.query.tcp(query, HOST, TIMEOUT, port=port)
            assert [str(record[0]) for record in answer.answer] == ["192.0.2.7"]

    def test_udp(self, cluster: RunningCluster) -> None:
        """
        The workers share the UDP socket: while all others are stopped, each of
        them answers alone.
        """
        [port] = cluster.portsOf("udp")
        query = dns.message.make_query("known.example", "A")
        pids = list(cluster.workerPIDs().values())
        for pid in pids:
            others = [other for other in pids if other != pid]
            for other in others:
                os.kill(other, signal.SIGSTOP)
                until(partial(isStopped, other), f"process {other} is stopped")
            try:
                for _ in range(3):
                    answer = dns.query.udp(query, HOST, TIMEOUT, port=port)
                    assert [str(record[0]) for record in answer.answer] == ["192.0.2.7"]
            finally:
                for other in others:
                    os.kill(other, signal.SIGCONT)

    def test_unknownName(self, cluster: RunningCluster) -> None:
        """
        It answers what it does not know, too.
        """
        [port] = cluster.portsOf("udp")
        query = dns.message.make_query("unknown.example", "A")
        answer = dns.query.udp(query, HOST, TIMEOUT, port=port)
        assert answer.rcode() == dns.rcode.NXDOMAIN


@frozen
class SSH:
    """
    C{twistd conch}, and OpenSSH's client for it.

    @ivar directory: Where the files are that both need.
    """

    cluster: RunningCluster
    directory: Path

    def run(
        self, command: str, sent: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        """
        Run a command over there.  The client accepts the host key that was made
        for this test and no other, and uses no file of the user's.
        """
        options = {
            "UserKnownHostsFile": self.directory / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": "conch",
            "IdentityAgent": "none",
            "IdentityFile": "none",
            "PreferredAuthentications": "password",
            "NumberOfPasswordPrompts": 1,
        }
        return subprocess.run(
            [
                *("ssh", "-v", "-F", "none", "-p", str(self.cluster.port)),
                *(f"-o{name}={value}" for name, value in options.items()),
                *(f"{getpass.getuser()}@{HOST}", command),
            ],
            env={
                **os.environ,
                "SSH_ASKPASS": str(self.directory / "askpass"),
                "SSH_ASKPASS_REQUIRE": "force",
            },
            check=False,
            input=sent,
            capture_output=True,
            timeout=TIMEOUT,
        )


@pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh client")
class TestConch:
    """
    C{twistd cluster conch}, with OpenSSH's client.
    """

    @pytest.fixture(scope="module", name="server")
    @staticmethod
    def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSH]:
        """
        It has a key and a password of its own.
        """
        pytest.importorskip("bcrypt", reason="needed by conch")
        directory = tmp_path_factory.mktemp("conch")
        key = directory / "ssh_host_ed25519_key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)],
            check=True,
            timeout=TIMEOUT,
        )
        public = key.with_suffix(".pub").read_text()
        (directory / "known_hosts").write_text(f"conch {public}")
        (directory / "passwords").write_text(f"{getpass.getuser()}:open sesame\n")
        askpass = directory / "askpass"
        askpass.write_text("#!/bin/sh\necho open sesame\n")
        askpass.chmod(0o700)
        with RunningCluster(
            *("conch", "--port", f"tcp:0:interface={HOST}"),
            *("--data", str(directory), "--auth", f"file:{directory / 'passwords'}"),
        ) as cluster:
            yield SSH(cluster, directory)

    def test_login(self, server: SSH) -> None:
        """
        The key exchange ends with the right host key, and the password is
        accepted, whichever worker it comes to.
        """
        for _ in range(server.cluster.workers):
            said = server.run("true").stderr.decode()
            assert "Host 'conch' is known and matches the ED25519 host key" in said
            assert 'using "password"' in said
        for number in server.cluster.workerPIDs():
            server.cluster.waitForLine(
                rf"\[worker {number}\].* trying auth b'password'"
            )

    @pytest.mark.skipif(os.geteuid() != 0, reason="conch needs to be root for this")
    def test_command(self, server: SSH) -> None:
        """
        A command runs as a child of the worker that has the connection, and
        reads what the client sends.
        """
        parents = set()
        for _ in range(server.cluster.workers):
            done = server.run("echo $PPID; wc -c", b"x" * 1_000_000)
            assert done.returncode == 0, done.stderr.decode()
            # Conch's own log may come before.
            parent, counted = done.stdout.splitlines()[-2:]
            assert int(counted) == 1_000_000
            parents.add(int(parent))
        assert parents == set(server.cluster.workerPIDs().values())


class TestFTP:
    """
    C{twistd cluster ftp}, with the standard library's client.
    """

    @pytest.fixture(scope="module", name="cluster")
    @staticmethod
    def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
        """
        Everybody may read one file.
        """
        root = tmp_path_factory.mktemp("ftp")
        (root / "numbers").write_bytes(random.Random(3).randbytes(2_000_003))
        with RunningCluster("ftp", "--port", "0", "--root", str(root)) as cluster:
            yield cluster

    @staticmethod
    def retrieve(client: ftplib.FTP) -> None:
        """
        Look for the file, and get it.
        """
        assert client.nlst(".") == ["numbers"]
        received = io.BytesIO()
        client.retrbinary("RETR numbers", received.write)
        assert received.getvalue() == random.Random(3).randbytes(2_000_003)

    def test_active(self, cluster: RunningCluster) -> None:
        """
        Clients of all workers are logged in at the same time, and the workers
        connect to them.
        """
        with ExitStack() as stack:
            clients = []
            for _ in range(2 * cluster.workers):
                client = stack.enter_context(ftplib.FTP(timeout=TIMEOUT))
                client.connect(HOST, cluster.ports[0])
                client.login()
                client.set_pasv(False)
                clients.append(client)
            for client in clients:
                self.retrieve(client)

    def test_passive(self, cluster: RunningCluster) -> None:
        """
        The workers listen for data, on a port that the primary lends to one of
        them.

        This is one client after the other: while several workers listen on
        port 0 they share it, so that one client's data could come to another.
        """
        for _ in range(2 * cluster.workers):
            mark = cluster.log.mark()
            with ftplib.FTP(timeout=TIMEOUT) as client:
                client.connect(HOST, cluster.ports[0])
                client.login()
                self.retrieve(client)
            # One for the list, and one for the file.
            cluster.waitForLine(
                r"\[WorkerQueries\] \(TCP Port \d+ Closed\)", after=mark, count=2
            )
