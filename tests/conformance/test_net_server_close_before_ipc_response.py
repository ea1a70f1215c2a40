"""
Node's C{test-net-server-close-before-ipc-response}: a port that is closed at
once.
"""

from __future__ import annotations

from twisted.internet import error
from twisted.internet.defer import maybeDeferred

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    connect,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)

ADAPTED = (
    "In Node the answer of the primary is still on its way. Here C{listenTCP} waits "
    "for it, so that there is a C{listening} event."
)


class NetServerCloseBeforeIpcResponseTests(ProgramTests):
    """
    The test.
    """

    def test_closed(self) -> None:
        """
        The primary closes it, too, and the worker can end.
        """
        seen = self.perform()
        self.assertEqual(seen["connecting"], ["ConnectionRefusedError"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Connect to the port.
    """
    worker = cluster.fork()
    [port, _] = await happening(worker, "message")
    try:
        await connect(port)
    except error.ConnectionRefusedError as e:
        saw("connecting", type(e).__name__)
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Listen, and close.
    """
    assert cluster.worker is not None
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    number = port.getHost().port
    await maybeDeferred(port.stopListening)
    cluster.worker.send(number)


if __name__ == "__main__":
    play(primary, worker)
