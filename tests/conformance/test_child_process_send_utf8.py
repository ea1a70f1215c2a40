"""
Node's C{test-child-process-send-utf8}: a long message of characters that are
two bytes each.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, happening, play, saw


class SendUtf8Tests(ProgramTests):
    """
    The test.
    """

    def test_whole(self) -> None:
        """
        It arrives as it was.
        """
        self.assertEqual(self.perform()["same"], [True])


TEXT = "\u00df" * 400_000


async def primary() -> None:
    """
    Receive it.
    """
    worker = cluster.fork()
    [message, _] = await happening(worker, "message")
    saw("same", message == TEXT)
    worker.disconnect()
    await worker.whenExited()


async def worker() -> None:
    """
    Send it.
    """
    assert cluster.worker is not None
    cluster.worker.send(TEXT)


if __name__ == "__main__":
    play(primary, worker)
