"""
Node's C{test-child-process-send-after-close}: a message to a worker that has
ended.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, saw
from twisted_cluster.errors import ChannelClosed

ADAPTED = "C{send} returns a Deferred, which fails, and there is no C{error} event."


class SendAfterCloseTests(ProgramTests):
    """
    The test.
    """

    def test_refused(self) -> None:
        """
        The message fails, in the Deferred and nowhere else.
        """
        self.assertEqual(self.perform()["failed"], ["ChannelClosed"] * 2)


async def primary() -> None:
    """
    Send too late.
    """
    worker = cluster.fork()
    await worker.whenOnline()
    worker.kill("SIGKILL")
    await worker.whenExited()
    for message in ("ping", {"cmd": "ping"}):
        try:
            await worker.send(message)
        except ChannelClosed as e:
            saw("failed", type(e).__name__)


async def worker() -> None:
    """
    Do nothing.
    """


if __name__ == "__main__":
    play(primary, worker)
