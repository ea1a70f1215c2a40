"""
Node's C{test-cluster-eaddrinuse}: a port is in use, and then not any more.
"""

from __future__ import annotations

import errno
import os

from twisted.internet.error import CannotListenError

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = "The process that listens is a worker; Node's is an ordinary child."


class EAddrInUseTests(ProgramTests):
    """
    The test.
    """

    def test_again(self) -> None:
        """
        The worker that could not listen can when the port is free.
        """
        seen = self.perform()
        self.assertEqual(
            seen, {"errno": ["EADDRINUSE"], "listening": [True], "exit": [[0, None]]}
        )


async def primary() -> None:
    """
    Hold the port until the worker has tried.
    """
    held = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    number = held.getHost().port
    worker = cluster.fork({"PORT": str(number)})
    await happening(worker, "message")
    await held.stopListening()
    worker.send("free")
    saw("listening", (await worker.whenListening()).port == number)
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Try twice.
    """
    assert cluster.worker is not None
    number = int(os.environ["PORT"])
    try:
        reactor().listenTCP(number, serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("errno", errno.errorcode[e.socketError.errno])
    cluster.worker.send("tried")
    await happening(cluster.worker, "message")
    reactor().listenTCP(number, serving(), interface="127.0.0.1")


if __name__ == "__main__":
    play(primary, worker)
