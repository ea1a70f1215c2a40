"""
Node's C{test-cluster-invalid-message}: a message looks like one of those that the
two processes exchange on their own.
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

ADAPTED = (
    "It imitates AMP's answers.  Node takes it for one of its own and drops it; here "
    "no message can be taken for one, and it is delivered as it is."
)


class InvalidMessageTests(ProgramTests):
    """
    The test.
    """

    def test_harmless(self) -> None:
        """
        It does no harm, in either direction.
        """
        self.assertEqual(
            self.perform(), {"came": [MESSAGE, MESSAGE], "exit": [[0, None]]}
        )


MESSAGE = {"_answer": "ffffffff", "_error": "1", "_command": "Leave", "ack": -1}


async def primary() -> None:
    """
    Send it, and get it back.
    """
    worker = cluster.fork()
    await worker.whenOnline()
    worker.send(MESSAGE)
    [message, _] = await happening(worker, "message")
    saw("came", message)
    same(worker.isConnected(), True)
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Send it back.
    """
    assert cluster.worker is not None
    [message, _] = await happening(cluster.worker, "message")
    saw("came", message)
    await cluster.worker.send(message)


if __name__ == "__main__":
    play(primary, worker)
