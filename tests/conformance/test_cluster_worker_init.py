"""
Node's C{test-cluster-worker-init}: a message to a worker that has just come
up.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    same,
    saw,
    sawExit,
)

ADAPTED = "C{disconnect} returns a Deferred, which fires with the worker."


class WorkerInitTests(ProgramTests):
    """
    The test.
    """

    def test_message(self) -> None:
        """
        It is answered.
        """
        seen = self.perform()
        self.assertEqual(seen["answer"], [True])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Send a message at once.
    """
    worker = cluster.fork()
    await worker.whenOnline()
    answered = happening(worker, "message")
    worker.send("message")
    [message, _] = await answered
    saw("answer", message)
    same(await worker.disconnect(), worker)
    await sawExit(worker)


async def worker() -> None:
    """
    Answer.
    """
    itself = cluster.worker
    assert itself is not None
    itself.on("message", lambda message, handle: itself.send(message == "message"))


if __name__ == "__main__":
    play(primary, worker)
