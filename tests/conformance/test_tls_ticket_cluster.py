"""
Node's C{test-tls-ticket-cluster}: a TLS session that is offered to every
worker.
"""

from __future__ import annotations

import os
import socket
import ssl

from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.threads import deferToThread

import twisted_cluster as cluster
from tests.conformance.programs import (
    Peer,
    ProgramTests,
    happening,
    play,
    reactor,
    saw,
    serving,
)
from tests.integration.certificates import writeCertificate

FAILING = (
    "Node's workers share the keys of session tickets. Here only the worker that "
    "began a session can resume it: neither pyOpenSSL nor the bindings below it have "
    "the functions that set those keys or keep sessions elsewhere, and the OpenSSL "
    "that they contain exports none. What is asserted is that offering a session to "
    "another worker does no harm."
)

CONNECTS = 16


class TlsTicketClusterTests(ProgramTests):
    """
    The test.
    """

    def test_connects(self) -> None:
        """
        A client that offers a session of another worker is served all the same.
        """
        seen = self.perform()
        served = seen["served by"]
        self.assertEqual(
            sorted(number for number, _ in served), sorted([1, 2, 3, 4] * 4)
        )
        first = served[0][0]
        resumed = [number for number, reused in served if reused]
        self.assertEqual(resumed, [first] * 3)


async def primary() -> None:
    """
    Connect, again and again, with the session of the first time.
    """
    key, certificate = writeCertificate(".")
    variables = {"KEY": key, "CERTIFICATE": certificate}
    workers = [cluster.fork(variables) for _ in range(4)]
    for listening in [happening(one, "message") for one in workers]:
        [number, _] = await listening
    context = ssl.create_default_context(cafile=certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session: ssl.SSLSession | None = None
    for _ in range(CONNECTS):
        session, served, reused = await deferToThread(shake, context, number, session)
        saw("served by", [int(served), reused])
    await cluster.disconnect()


def shake(
    context: ssl.SSLContext, number: int, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bytes, bool | None]:
    """
    Connect once.

    @return: The session to offer next time, what the server says, and whether
        the offered one was resumed.
    """
    plain = socket.create_connection(("127.0.0.1", number), 10)
    with context.wrap_socket(
        plain, server_hostname="localhost", session=session
    ) as client:
        return session or client.session, client.recv(10), client.session_reused


async def worker() -> None:
    """
    Serve TLS.
    """
    itself = cluster.worker
    assert itself is not None

    def serve(peer: Peer) -> None:
        assert itself is not None
        peer.write(b"%d" % itself.id)
        peer.close()

    context = DefaultOpenSSLContextFactory(os.environ["KEY"], os.environ["CERTIFICATE"])
    port = reactor().listenSSL(0, serving(serve), context, interface="127.0.0.1")
    reactor().callWhenRunning(itself.send, port.getHost().port)


if __name__ == "__main__":
    play(primary, worker)
