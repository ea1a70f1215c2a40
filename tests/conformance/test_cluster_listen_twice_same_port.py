"""
Node's C{test-cluster-listen-twice-same-port}: one worker asks for the same
address twice.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)
from tests.conformance.sockets import freePort, refusal


class ListenTwiceSamePortTests(ProgramTests):
    """
    The test.
    """

    def test_refused(self) -> None:
        """
        The second attempt fails in a way that can be caught, and the first port
        goes on.
        """
        seen = self.perform()
        self.assertEqual(seen["second"], ["EADDRINUSE"])
        self.assertEqual(seen["echo"], ["hello"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Use the first port after the second attempt.
    """
    worker = cluster.fork()
    [port, _] = await happening(worker, "message")
    client = await connect(port)
    client.write(b"hello")
    saw("echo", (await client.hear(5)).decode())
    client.close()
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen twice.
    """
    assert cluster.worker is not None
    listen = reactor().listenTCP
    number = freePort()
    listen(number, serving(kind=EchoingPeer), interface="127.0.0.1")
    saw("second", refusal(listen, number, serving(), interface="127.0.0.1"))
    cluster.worker.send(number)


if __name__ == "__main__":
    play(primary, worker)
