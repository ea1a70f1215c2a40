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
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest
from attrs import frozen

from tests.integration.asking import HOST, connect, readAll
from tests.integration.running import TIMEOUT, RunningCluster, standingStill


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
            with standingStill(others):
                for _ in range(3):
                    answer = dns.query.udp(query, HOST, TIMEOUT, port=port)
                    assert [str(record[0]) for record in answer.answer] == ["192.0.2.7"]

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

    @pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])
    def test_retrieve(self, cluster: RunningCluster, passive: bool) -> None:
        """
        Clients of all workers are logged in at the same time, and each gets
        what it asks for: from a connection of its worker's to it, and from one
        of its own to a port of that worker's.
        """
        with ExitStack() as stack:
            clients = []
            for _ in range(2 * cluster.workers):
                client = stack.enter_context(ftplib.FTP(timeout=TIMEOUT))
                client.connect(HOST, cluster.ports[0])
                client.login()
                client.set_pasv(passive)
                clients.append(client)
            for client in clients:
                assert client.nlst(".") == ["numbers"]
                received = io.BytesIO()
                client.retrbinary("RETR numbers", received.write)
                assert received.getvalue() == random.Random(3).randbytes(2_000_003)
        assert len(cluster.ports) == 1

    def test_passiveAtOnce(self, cluster: RunningCluster) -> None:
        """
        Several clients wait for their data at the same time, and connect in
        another order: nobody gets what is for somebody else.
        """
        with ExitStack() as stack:
            clients = []
            for _ in range(2 * cluster.workers):
                client = stack.enter_context(ftplib.FTP(timeout=TIMEOUT))
                client.connect(HOST, cluster.ports[0])
                client.login()
                clients.append(client)
            ports = [client.makepasv()[1] for client in clients]
            assert len(set(ports)) == len(ports)
            for client, port in reversed(list(zip(clients, ports, strict=True))):
                data = connect(port)
                answer = client.sendcmd("NLST .")
                assert answer.startswith("125"), answer
                assert readAll(data) == b"numbers\r\n"
                assert client.getresp().startswith("226")
