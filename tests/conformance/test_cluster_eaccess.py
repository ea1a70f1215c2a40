"""
Node's C{test-cluster-eaccess}: a worker wants a UNIX path that another program
has, and tells its primary of the error.
"""

from __future__ import annotations

import errno
import subprocess
import sys

from twisted.internet.error import CannotListenError

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    mustNotCall,
    play,
    reactor,
    same,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "The error is sent with the serialization C{advanced}: Python's exceptions are "
    "nothing for JSON.  Twisted has a class for it, with the kernel's error in it."
)


class EAccessTests(ProgramTests):
    """
    The test.
    """

    def test_inUse(self) -> None:
        """
        The primary gets the error, and which it is.
        """
        self.assertEqual(self.perform(), {"errno": ["EADDRINUSE"], "exit": [[0, None]]})


HOLDER = """
import socket, sys
holder = socket.socket(socket.AF_UNIX)
holder.bind("held")
holder.listen()
print("ready", flush=True)
sys.stdin.read()
"""


async def primary() -> None:
    """
    Have the path held, and start the worker.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        same(holder.stdout.readline(), b"ready\n")
        cluster.setupPrimary(serialization="advanced")
        cluster.on("listening", mustNotCall("listening"))
        worker = cluster.fork()
        [error, _] = await happening(worker, "message")
        saw("errno", errno.errorcode[error.args[0]])
        worker.disconnect()
        await sawExit(worker)
        holder.stdin.close()


async def worker() -> None:
    """
    Try.
    """
    assert cluster.worker is not None
    try:
        reactor().listenUNIX("held", serving())
    except CannotListenError as e:
        await cluster.worker.send(e.socketError)


if __name__ == "__main__":
    play(primary, worker)
