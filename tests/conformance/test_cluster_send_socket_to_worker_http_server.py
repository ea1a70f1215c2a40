"""
Node's C{test-cluster-send-socket-to-worker-http-server}: a connection for the
web server in the worker.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Site

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = "A Twisted factory serves it, and not a server's C{connection} event."


class SendSocketToWorkerHttpServerTests(ProgramTests):
    """
    The test.
    """

    def test_served(self) -> None:
        """
        The worker's web server serves a connection that the primary accepted.
        """
        seen = self.perform()
        self.assertEqual(seen["answer"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Ask for a page.
    """
    worker = cluster.fork()
    await worker.whenOnline()
    factory = serving(lambda peer: worker.send("socket", peer.transport))
    port = reactor().listenTCP(0, factory, interface="127.0.0.1")
    client = await connect(port.getHost().port)
    transport: Any = client.transport
    number = b"%d" % transport.getHost().port
    client.write(b"GET / HTTP/1.0\r\n\r\n")
    await client.whenClosed()
    saw("answer", client.received.endswith(b"\r\n\r\n" + number))
    await port.stopListening()
    await worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Serve a site.
    """
    itself = cluster.worker
    assert itself is not None
    site = Site(Page())
    itself.on("message", lambda message, connection: connection.serve(site))


class Page(Resource):
    """
    Tells which port the client has.
    """

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """
        Tell.
        """
        return b"%d" % request.getClientAddress().port


if __name__ == "__main__":
    play(primary, worker)
