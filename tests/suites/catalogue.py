"""
The suites, by name.
"""

from __future__ import annotations

from attrs import frozen

from tests.suites.surroundings import Surrounding


@frozen
class Suite:
    """
    Tests that are run together, in one process.

    @ivar name: What to call it on the command line.
    @ivar tests: What trial is told to run.
    @ivar surrounding: Where, other than without a cluster.
    """

    name: str
    tests: tuple[str, ...]
    surrounding: Surrounding = Surrounding.WORKER


SUITES = (
    Suite("tcp", ("twisted.test.test_tcp",)),
    Suite("ssl", ("twisted.test.test_ssl",)),
    Suite("udp", ("twisted.test.test_udp",)),
    Suite("ftp", ("twisted.test.test_ftp",)),
    Suite("endpoints", ("twisted.internet.test.test_endpoints",)),
    Suite("protocols", ("twisted.protocols",)),
    Suite("names", ("twisted.names",)),
    Suite("web", ("twisted.web",)),
    # The tests of ReactorBuilder, on reactors of their own.
    Suite("built-tcp", ("twisted.internet.test.test_tcp",)),
    Suite("built-udp", ("twisted.internet.test.test_udp",)),
    Suite("built-tls", ("twisted.internet.test.test_tls",)),
    Suite("built-socket", ("twisted.internet.test.test_socket",)),
    Suite("built-core", ("twisted.internet.test.test_core",)),
    Suite("built-unix", ("twisted.internet.test.test_unix",)),
    Suite(
        "plugin",
        ("twisted.test.test_tcp", "twisted.internet.test.test_endpoints"),
        Surrounding.PLUGIN,
    ),
)
"""
What is run in full.
"""

FAST = (
    Suite(
        "fast",
        (
            "twisted.test.test_tcp",
            "twisted.test.test_ssl",
            "twisted.test.test_udp",
            "twisted.internet.test.test_endpoints",
            "twisted.internet.test.test_unix",
        ),
    ),
)
"""
What is run with every change: seconds, not minutes.
"""
