"""
Node's C{test-child-process-advanced-serialization}: messages that JSON has no
words for.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, saw
from twisted_cluster.errors import ConfigurationError


class AdvancedSerializationTests(ProgramTests):
    """
    The test.
    """

    def test_echoed(self) -> None:
        """
        They come back as they were, and an unknown serialization is refused.
        """
        seen = self.perform()
        self.assertEqual(seen["refused"], ["ConfigurationError"])
        self.assertEqual(seen["same"], [True] * 8)


async def primary() -> None:
    """
    Send each to the worker and back.
    """
    try:
        cluster.setupPrimary(serialization="no such thing")
    except ConfigurationError as e:
        saw("refused", type(e).__name__)
    cluster.setupPrimary(serialization="advanced")
    worker = cluster.fork()
    for message in (
        "text",
        1337.5,
        2**80,
        b"\x00\xff",
        {1, 2, 3},
        {1: {"deep": [None, True]}},
        datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc),
    ):
        saw("same", await worker.ask(message) == message)
    circular: list[Any] = ["first"]
    circular.append(circular)
    back = await worker.ask(circular)
    error = await worker.ask(LookupError("no", 1))
    saw("same", back[1] is back and repr(error) == "LookupError('no', 1)")
    await cluster.disconnect()


async def worker() -> None:
    """
    Send back.
    """
    assert cluster.worker is not None
    cluster.worker.answer(lambda question: question)


if __name__ == "__main__":
    play(primary, worker)
