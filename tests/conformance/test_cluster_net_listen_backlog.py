"""
Node's C{test-cluster-net-listen-backlog}: a worker's backlog.
"""

from __future__ import annotations

import socket
import struct
import sys
from unittest import SkipTest

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = "Node's looks into its primary's server; this asks the kernel."


class NetListenBacklogTests(ProgramTests):
    """
    The test.
    """

    def test_backlog(self) -> None:
        """
        The primary's socket has the backlog that the worker asked for.
        """
        if not sys.platform.startswith("linux"):
            raise SkipTest("only Linux tells what backlog a socket has")
        seen = self.perform()
        self.assertEqual(seen["backlog"], [127])


async def primary() -> None:
    """
    Fork one worker.
    """
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Ask the kernel what backlog the port has.
    """
    port = reactor().listenTCP(0, serving(), 127, "127.0.0.1")
    info = port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    # Of a listening socket, tcpi_sacked is what listen(2) was told.
    saw("backlog", struct.unpack_from("=I", info, 28)[0])
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
