"""
Node's C{test-cluster-http-pipe}: a web server on a UNIX path, in a worker.
"""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connectUNIX,
    play,
    reactor,
    same,
    saw,
    sawExit,
)


class HTTPPipeTests(ProgramTests):
    """
    The test.
    """

    def test_request(self) -> None:
        """
        It answers, and neither end has a number.
        """
        seen = self.perform()
        self.assertEqual(seen["client"], [None])
        self.assertEqual(seen["types"], [["UNIXAddress", "UNIXAddress"]])
        self.assertEqual(seen["body"], ["OK"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Ask.
    """
    worker = cluster.fork()
    address = await worker.whenListening()
    same((address.addressType, address.port), (-1, -1))
    client = await connectUNIX("web")
    client.write(b"GET / HTTP/1.0\r\n\r\n")
    await client.whenClosed()
    same(client.received.split(b"\r\n")[0], b"HTTP/1.0 200 OK")
    saw("body", client.received.split(b"\r\n\r\n")[1].decode())
    worker.disconnect()
    await sawExit(worker)


class Page(Resource):
    """
    The only page.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Look at the request.
        """
        saw("client", request.getClientIP())
        ends = request.getHost(), request.getClientAddress()
        saw("types", [type(end).__name__ for end in ends])
        return b"OK"


async def worker() -> None:
    """
    Serve.
    """
    reactor().listenUNIX("web", Site(Page()))


if __name__ == "__main__":
    play(primary, worker)
