"""
Node's C{test-child-process-send-type-error}: what cannot be sent.
"""

from __future__ import annotations

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, mustNotCall, play, saw, sawExit


class SendTypeErrorTests(ProgramTests):
    """
    The test.
    """

    def test_refused(self) -> None:
        """
        It is an exception at once, and the worker does not notice.
        """
        seen = self.perform()
        self.assertEqual(
            seen["refused"],
            [
                "ConfigurationError",
                "ConfigurationError",
                "TypeError",
                "TypeError",
                "ValueError",
            ],
        )
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Try.
    """
    worker = cluster.fork()
    await worker.whenOnline()
    circular: list[object] = []
    circular.append(circular)
    for attempt in (
        lambda: worker.send("message", "no handle"),
        lambda: worker.send("message", object()),
        lambda: worker.send("message", None, noOption=True),  # type: ignore[call-arg]
        lambda: worker.send(lambda: None),
        lambda: worker.send(circular),
    ):
        try:
            attempt()
        except (TypeError, ValueError) as e:
            saw("refused", type(e).__name__)
    worker.disconnect()
    await sawExit(worker)


async def worker() -> None:
    """
    Receive nothing.
    """
    assert cluster.worker is not None
    cluster.worker.on("message", mustNotCall("message"))


if __name__ == "__main__":
    play(primary, worker)
