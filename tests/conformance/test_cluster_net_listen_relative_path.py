"""
Node's C{test-cluster-net-listen-relative-path}: a path that only a relative
name makes short enough.
"""

from __future__ import annotations

import os

import twisted_cluster as cluster
from tests.conformance.programs import (
    EchoingPeer,
    ProgramTests,
    connectUNIX,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "The path is removed by C{cluster.disconnect()}: until then the port waits for "
    "another worker."
)

NAME = "s" * 60


class NetListenRelativePathTests(ProgramTests):
    """
    The test.
    """

    def test_relative(self) -> None:
        """
        A worker in another directory than the primary listens on a path that is too
        long for the kernel, and the primary finds a shorter name for it.
        """
        seen = self.perform()
        self.assertEqual(seen["path is long"], [True])
        self.assertEqual(seen["there"], [True])
        self.assertEqual(seen["echoed"], ["hello"])
        self.assertEqual(seen["exit"], [[0, None]])
        self.assertEqual(seen["there afterwards"], [False])


async def primary() -> None:
    """
    Work in a directory with a long name.
    """
    directory = "d" * 60
    os.makedirs(os.path.join(directory, "below"))
    os.chdir(directory)
    worker = cluster.fork()
    address = await worker.whenListening()
    path = os.path.abspath(NAME)
    same(address.address, path)
    saw("path is long", len(os.fsencode(path)) > 107)
    saw("there", os.path.exists(NAME))
    client = await connectUNIX(NAME)
    client.write(b"hello")
    saw("echoed", (await client.hear(5)).decode())
    client.close()
    await cluster.disconnect()
    await sawExit(worker)
    saw("there afterwards", os.path.exists(path))


async def worker() -> None:
    """
    Listen by a name relative to another directory.
    """
    os.chdir("below")
    factory = serving(kind=EchoingPeer)
    reactor().listenUNIX(os.path.join(os.pardir, NAME), factory)


if __name__ == "__main__":
    play(primary, worker)
