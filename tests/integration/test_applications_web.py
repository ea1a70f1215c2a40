"""
Web applications on a cluster: C{twistd web}, Klein, and Autobahn's WebSockets,
with clients that are no part of them.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import treq
from attrs import frozen
from websockets.sync.client import connect as connectWebSocket

from tests.integration.certificates import writeCertificate
from tests.integration.running import APPLICATIONS, TIMEOUT, RunningCluster

WORKERS = 3


def curl(*arguments: str) -> str:
    """
    Run curl, which must succeed.

    @return: What it writes.
    """
    command = ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*"]
    done = subprocess.run(
        [*command, *arguments],
        check=True,
        timeout=TIMEOUT,
        capture_output=True,
        text=True,
    )
    return done.stdout


@frozen
class WebSite:
    """
    C{twistd web}, over HTTP and HTTPS.

    @ivar certificate: The path of its certificate.
    """

    cluster: RunningCluster
    certificate: str

    def get(self, page: str, *arguments: str, secure: bool = False) -> str:
        """
        Get a page with curl.
        """
        http, https = self.cluster.ports
        if not secure:
            return curl(*arguments, f"http://127.0.0.1:{http}/{page}")
        return curl(
            *("--cacert", self.certificate),
            *("--resolve", f"localhost:{https}:127.0.0.1"),
            *arguments,
            f"https://localhost:{https}/{page}",
        )

    def whoServes(self, *arguments: str, secure: bool = False) -> dict[str, Any]:
        """
        Ask a worker who it is, and who it takes us for.
        """
        written = self.get(
            "whoami.rpy",
            *("--write-out", "\n%{http_version} %{local_ip} %{local_port}"),
            *arguments,
            secure=secure,
        )
        answer, about = written.rsplit("\n", 1)
        version, address, port = about.split()
        parsed: dict[str, Any] = json.loads(answer)
        return {**parsed, "http": version, "client": [address, int(port)]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    """
    One site for all tests of this module.
    """
    key, certificate = writeCertificate(str(tmp_path_factory.mktemp("tls")))
    with RunningCluster(
        "web",
        *("--path", os.path.join(APPLICATIONS, "web")),
        *("--listen", "tcp:0:interface=127.0.0.1"),
        *(
            "--listen",
            f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={certificate}",
        ),
        workers=WORKERS,
    ) as cluster:
        yield WebSite(cluster, certificate)


class TestTwistdWeb:
    """
    C{twistd cluster web}.
    """

    def test_file(self, site: WebSite) -> None:
        """
        It serves the files of a directory.
        """
        with open(os.path.join(APPLICATIONS, "web", "index.html")) as file:
            assert site.get("") == file.read()

    @pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
    def test_everyWorkerServes(self, site: WebSite, secure: bool) -> None:
        """
        Requests over connections of their own go to all workers in turn, and
        each sees the client's own address.  With TLS too, which therefore runs
        in the worker: what comes to the resource was decrypted in its process.
        """
        answers = [site.whoServes(secure=secure) for _ in range(2 * WORKERS)]
        workers = sorted(site.cluster.workerPIDs().values())
        assert Counter(a["pid"] for a in answers) == dict.fromkeys(workers, 2)
        assert [a["peer"] for a in answers] == [a["client"] for a in answers]
        assert {a["secure"] for a in answers} == {secure}

    def test_http2(self, site: WebSite) -> None:
        """
        HTTP/2 is negotiated with a worker.
        """
        answers = [site.whoServes("--http2", secure=True) for _ in range(WORKERS)]
        assert {a["http"] for a in answers} == {"2"}
        assert {a["pid"] for a in answers} == set(site.cluster.workerPIDs().values())
        assert [a["peer"] for a in answers] == [a["client"] for a in answers]

    def test_keepAlive(self, site: WebSite) -> None:
        """
        The requests of one connection stay with one worker.
        """
        http, _ = site.cluster.ports
        url = f"http://127.0.0.1:{http}/whoami.rpy"
        answers = curl(url, url, url).replace("}{", "}\n{").splitlines()
        assert len(answers) == 3
        assert len(set(answers)) == 1

    @pytest.mark.parametrize(
        "options",
        [(), ("--http1.1",), ("--http2",)],
        ids=["http", "https", "http2"],
    )
    def test_bigBody(
        self, site: WebSite, options: tuple[str, ...], tmp_path: Path
    ) -> None:
        """
        Several megabytes go there and back as they were.
        """
        body = random.Random(2).randbytes(4_000_003)
        (tmp_path / "sent").write_bytes(body)
        headers = site.get(
            "whoami.rpy",
            *("--data-binary", f"@{tmp_path / 'sent'}"),
            *("--header", "Content-Type: application/octet-stream"),
            *("--output", str(tmp_path / "received"), "--dump-header", "-"),
            *options,
            secure=bool(options),
        )
        assert (tmp_path / "received").read_bytes() == body
        [served] = [
            int(line.split(":")[1])
            for line in headers.lower().splitlines()
            if line.startswith("x-served-by:")
        ]
        assert served in site.cluster.workerPIDs().values()


class TestKlein:
    """
    A Klein application, with treq as its client.
    """

    @pytest.mark.parametrize("attribute", ["app", "resource"])
    @pytest_twisted.ensureDeferred  # type: ignore[untyped-decorator, unused-ignore]
    async def test_routes(self, attribute: str) -> None:
        """
        The application itself is a target, and so is what makes its resource.
        Its routes are served, by all workers in turn.
        """
        with RunningCluster(
            f"kleinsite:{attribute}",
            options=["--listen", "tcp:0:interface=127.0.0.1"],
        ) as cluster:
            url = f"http://127.0.0.1:{cluster.port}"
            pids = []
            for _ in range(4):
                response = await treq.get(url, persistent=False)
                home = await response.json()
                assert home["peer"][0] == "127.0.0.1"
                pids.append(home["pid"])
            workers = cluster.workerPIDs().values()
            assert Counter(pids) == dict.fromkeys(workers, 2)
            response = await treq.post(
                f"{url}/length", b"x" * 3_000_000, persistent=False
            )
            assert await response.text() == "3000000"
            response = await treq.get(f"{url}/nowhere", persistent=False)
            await response.content()
            assert response.code == 404

    def test_ipv6(self) -> None:
        """
        The same over IPv6.
        """
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("there is no IPv6")
        with RunningCluster(
            "kleinsite:app", options=["--listen", r"tcp6:0:interface=\:\:1"]
        ) as cluster:
            answers = []
            for _ in range(4):
                written = curl(
                    *("--write-out", "\n%{local_port}"),
                    f"http://[::1]:{cluster.port}/",
                )
                home, port = written.split("\n")
                answers.append(json.loads(home))
                assert answers[-1]["peer"] == ["::1", int(port)]
            workers = cluster.workerPIDs().values()
        assert Counter(a["pid"] for a in answers) == dict.fromkeys(workers, 2)


class TestWebSockets:
    """
    An Autobahn echo server that runs its own reactor.
    """

    def test_echo(self) -> None:
        """
        WebSocket connections to all workers are open at the same time, and
        each echoes text, bytes, and messages of many frames.
        """
        with RunningCluster("websocketecho.py") as cluster, ExitStack() as stack:
            url = f"ws://127.0.0.1:{cluster.port}"
            clients = [
                stack.enter_context(connectWebSocket(url, max_size=None, proxy=None))
                for _ in range(4)
            ]
            pids = [int(client.recv(TIMEOUT)) for client in clients]
            workers = cluster.workerPIDs().values()
            assert Counter(pids) == dict.fromkeys(workers, 2)
            for message in ("text \N{SNOWMAN}", b"\0\xff", b"long" * 500_000):
                for client in clients:
                    client.send(message)
                for client in clients:
                    assert client.recv(TIMEOUT) == message
