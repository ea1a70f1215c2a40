"""
Node's C{test-cluster-port-reuse-between-workers}: a port that one worker gave
up is another's, and then both have it.
"""

from __future__ import annotations

import os

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    happening,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)
from tests.conformance.sockets import freePort, refusal


class PortReuseBetweenWorkersTests(ProgramTests):
    """
    The test.
    """

    def test_reuse(self) -> None:
        """
        A second attempt that failed leaves no trace, so that the port can be
        had again, also by the worker that failed.
        """
        seen = self.perform()
        self.assertEqual(seen["second"], ["EADDRINUSE"])
        self.assertEqual(seen["again"], [""])
        self.assertEqual(seen["exit"], [[0, None]] * 2)


async def primary() -> None:
    """
    Let the second worker listen in between.
    """
    variables = {"PORT": str(freePort())}
    first = cluster.fork(variables)
    await happening(first, "message")
    second = cluster.fork(variables)
    await second.whenListening()
    await first.ask("listen again")
    for one in (first, second):
        one.disconnect()
        await sawExit(one)


async def worker() -> None:
    """
    Listen; as the first one, in vain a second time, and once more when asked to.
    """
    itself = cluster.worker
    assert itself is not None
    number = int(os.environ["PORT"])
    port = reactor().listenTCP(number, serving(), interface="::")
    if itself.id == 1:
        listen = reactor().listenTCP
        saw("second", refusal(listen, number, serving(), interface="::"))
        await port.stopListening()
        itself.answer(
            lambda question: saw(
                "again", refusal(listen, number, serving(), interface="::")
            )
        )
        itself.send("closed")


if __name__ == "__main__":
    play(primary, worker)
