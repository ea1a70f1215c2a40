"""
Node's C{test-cluster-fork-stdio}: a pipe to the worker beside its standard streams.
"""

from __future__ import annotations

import socket

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    ProgramTests,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "C{stdio} has no entry for the channel, so that the pipe is descriptor 3 instead "
    "of 4.  A worker that reads from it does not end before it does: nothing is like "
    "Node's C{unref}."
)


class ForkStdioTests(ProgramTests):
    """
    The test.
    """

    def test_bothWays(self) -> None:
        """
        It can be written to and read from on both sides.
        """
        self.assertEqual(self.perform(), {"back": ["hello"], "exit": [[0, None]]})


async def primary() -> None:
    """
    Write, and read what comes back.
    """
    cluster.setupPrimary(stdio=["inherit", "inherit", "inherit", "pipe"])
    worker = cluster.fork()
    pipe = worker.process.stdio[3]
    assert pipe is not None
    pipe.write(b"hello")
    [data] = await happening(pipe, "data")
    saw("back", data.decode())
    worker.disconnect()
    pipe.end()
    await sawExit(worker)


async def worker() -> None:
    """
    Send back what comes.
    """
    with socket.socket(fileno=3) as pipe:
        pipe.setblocking(False)
        reactor().adoptStreamConnection(
            pipe.fileno(), socket.AF_UNIX, serving(kind=EchoingPeer)
        )


if __name__ == "__main__":
    play(primary, worker)
