"""
Node's C{test-child-process-internal}: messages that look like Node's own.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, saw

ADAPTED = (
    "What the package itself says travels apart from messages, so that no message is "
    "reserved."
)

COMMANDS = ["NODE_", "NODE_foo", "foo", "fooNODE_", "NODE_CLUSTER"]


class InternalTests(ProgramTests):
    """
    The test.
    """

    def test_messages(self) -> None:
        """
        They are messages like any other.
        """
        seen = self.perform()
        self.assertEqual(seen["message"], [{"cmd": cmd} for cmd in COMMANDS])


async def primary() -> None:
    """
    Receive.
    """
    worker = cluster.fork()
    all = Deferred[None]()
    count = 0

    def received(message: object, handle: object) -> None:
        nonlocal count
        saw("message", message)
        count += 1
        if count == len(COMMANDS):
            all.callback(None)

    worker.on("message", received)
    await all
    await cluster.disconnect()


async def worker() -> None:
    """
    Send.
    """
    assert cluster.worker is not None
    for cmd in COMMANDS:
        cluster.worker.send({"cmd": cmd})


if __name__ == "__main__":
    play(primary, worker)
