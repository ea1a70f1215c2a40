"""
Node's C{test-cluster-listen-pipe-readable-writable}: a UNIX path that everybody
may use.
"""

from __future__ import annotations

import os
import stat

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

ADAPTED = "Twisted says it with a mode, instead of two flags."


class ListenPipeTests(ProgramTests):
    """
    The test.
    """

    def test_mode(self) -> None:
        """
        The file has the mode when the worker listens.
        """
        self.assertEqual(self.perform(), {"mode": ["0o777"], "exit": [[0, None]]})


async def primary() -> None:
    """
    Look at the file.
    """
    worker = cluster.fork()
    address = await worker.whenListening()
    same(address.address, os.path.abspath("path"))
    saw("mode", oct(stat.S_IMODE(os.stat("path").st_mode)))
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen.
    """
    reactor().listenUNIX("path", serving(), mode=0o777)


if __name__ == "__main__":
    play(primary, worker)
