"""
A worker of which somebody else has got hold: what it can do to the primary and to
the other workers.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.exhausting import openDescriptors
from tests.integration.running import RunningCluster
from tests.integration.supervising import meet

PROGRAM = os.path.join(os.path.dirname(__file__), "applications", "hostile.py")

SECRET = "the-secret-of-the-primary"

LIMIT = 20


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Path:
    """
    A directory with what must stay as it is.
    """
    site = tmp_path / "site"
    site.mkdir()
    (site / "file.sock").write_text("precious")
    (site / "linked.sock").symlink_to("nowhere")
    return site


def attacked(site: Path, *options: str) -> tuple[RunningCluster, Any]:
    """
    Have a cluster attacked by its first worker.

    @return: The cluster, and what came of the attack.
    """
    cluster = RunningCluster(
        PROGRAM,
        options=("--port-limit", str(LIMIT), *options),
        cwd=str(site),
        environment={"SECRET_OF_A_TEST": SECRET},
    )
    try:
        found = cluster.waitForLine("came of it: (.*)$")
    except BaseException:
        cluster.stop()
        raise
    return cluster, json.loads(found[1])


def assertServes(cluster: RunningCluster) -> None:
    """
    The other worker serves, and the primary has lost nobody.
    """
    answers = {meet(cluster.ports[0]) for _ in range(6)}
    assert cluster.workerPIDs()[2] in answers
    assert answers <= set(cluster.workerPIDs().values())
    assert not cluster.log.matches(" is gone ")


def test_limited(site: Path) -> None:
    """
    With C{--allow-listen} it gets what that allows and nothing else: none of the
    primary's own descriptors, and no path.
    """
    cluster, came = attacked(site, "--allow-listen", "tcp:0")
    with cluster:
        assert set(came["descriptors"]) <= {"EACCES", "EINVAL"}
        assert set(came["paths"]) == {"EACCES", "EINVAL"}
        assert sorted(os.listdir(site)) == ["file.sock", "linked.sock"]
        assertServes(cluster)


def test_pattern(site: Path) -> None:
    """
    A path that only looks like an allowed one is refused, and what is there
    already stays.
    """
    cluster, came = attacked(
        site,
        "--allow-listen",
        f"unix:{site}/*.sock",
        "--bind",
        "tcp:0:interface=127.0.0.1",
    )
    with cluster:
        assert came["paths"] == [
            # Another directory; a name that the kernel reads to the zero; no
            # whole path; a link; and a file.
            *("EACCES", "EINVAL", "EINVAL", "EADDRINUSE", "EADDRINUSE")
        ]
        assert (site / "file.sock").read_text() == "precious"
        assert (site / "linked.sock").is_symlink()
        assertServes(cluster)


def test_unlimited(site: Path) -> None:
    """
    Without, it can listen wherever the primary can.  But no connection, no channel
    and no other socket that the primary has opened itself is lent; it gets no more
    ports than there may be; and others' loans stay theirs.
    """
    cluster, came = attacked(site)
    with cluster:
        assert set(came["descriptors"]) == {"EBADF", "ENOTSOCK", "EINVAL"}
        assert came["flood"]["EMFILE"] > 1000
        assert came["flood"]["lent"] < LIMIT
        assert len(openDescriptors(cluster.pid)) < LIMIT + 40
        assertServes(cluster)


def test_words(site: Path) -> None:
    """
    What cannot be done is answered in few words, which tell nothing about the
    primary: no traceback, no file, nothing of its environment.
    """
    cluster, came = attacked(site)
    with cluster:
        for words in came["nonsense"]:
            assert len(words) < 100, words
            for telling in ("Traceback", "File ", ".py", SECRET, str(site)):
                assert telling not in words
        assertServes(cluster)
