"""
Node's C{test-listen-fd-cluster}: workers serve a web site on a socket that the
primary was started with.
"""

from __future__ import annotations

import socket
import sys

from twisted.internet.endpoints import serverFromString
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    play,
    reactor,
    same,
    saw,
    sawExit,
)

ADAPTED = (
    "A worker names the descriptor with C{cluster.worker.adoptStreamPort}, or, if it "
    "is systemd's, uses a C{systemd:} endpoint."
)

LAUNCHER = """if True:
    import os, socket, sys
    bound = socket.create_server(("127.0.0.1", 0))
    if bound.fileno() != 3:
        os.dup2(bound.fileno(), 3)
    os.set_inheritable(3, True)
    if "systemd" in sys.argv:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = "1"
        os.environ["LISTEN_FDNAMES"] = "site"
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    """
"""
Binds the socket, as its third descriptor, and runs the program.
"""


class ListenFdClusterTests(ProgramTests):
    """
    The tests.
    """

    def test_descriptor(self) -> None:
        """
        The workers name it by its number, and take turns.
        """
        self._serve("descriptor")

    def test_systemd(self) -> None:
        """
        The workers use a C{systemd:} endpoint, and take turns.
        """
        self._serve("systemd")

    def _serve(self, how: str) -> None:
        seen = self.perform(how, launcher=(sys.executable, "-c", LAUNCHER))
        self.assertEqual(seen["listening"], [["127.0.0.1", 4, 3]] * 2)
        self.assertEqual(sorted(seen["served by"]), [1, 1, 2, 2])
        self.assertEqual(seen["exit"], [[0, None]] * 2)


async def primary() -> None:
    """
    Fetch the page a few times.
    """
    workers = [cluster.fork() for _ in range(2)]
    for one in workers:
        address = await one.whenListening()
        saw("listening", [address.address, address.addressType, address.fd])
        await one.ask("Do you run?")
    for _ in range(4):
        client = await connect(address.port)
        client.write(b"GET / HTTP/1.0\r\n\r\n")
        await client.whenClosed()
        head, _, body = client.received.partition(b"\r\n\r\n")
        same(head.split()[1], b"200")
        saw("served by", int(body))
    for one in workers:
        one.disconnect()
        await sawExit(one)


async def worker() -> None:
    """
    Serve the page.
    """
    itself = cluster.worker
    assert itself is not None
    page = Data(b"%d" % itself.id, "text/plain")
    root = Resource()
    root.putChild(b"", page)
    if sys.argv[1] == "systemd":
        endpoint = serverFromString(reactor(), "systemd:domain=INET:name=site")
        await endpoint.listen(Site(root))
    else:
        itself.adoptStreamPort(3, socket.AF_INET, Site(root))
    itself.answer(lambda question: True)


if __name__ == "__main__":
    play(primary, worker)
