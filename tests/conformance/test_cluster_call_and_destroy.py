"""
Node's C{test-cluster-call-and-destroy}: a worker is killed that has disconnected
itself.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    saw,
)


class CallAndDestroyTests(ProgramTests):
    """
    The test.
    """

    def test_killAfterDisconnect(self) -> None:
        """
        It is not connected, and killing it does no harm.
        """
        self.assertEqual(self.perform(), {"connected": [False]})


async def primary() -> None:
    """
    Kill the worker when it is disconnected, and when it has ended.
    """
    worker = cluster.fork()
    await happening(worker, "disconnect")
    saw("connected", worker.isConnected())
    worker.destroy()
    await worker.whenExited()
    worker.destroy()


async def worker() -> None:
    """
    Disconnect.
    """
    assert cluster.worker is not None
    cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
