"""
Node's C{test-net-listen-shared-ports}: a port that is shared, beside one that
is not.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.programs import ProgramTests, play, reactor, serving
from tests.conformance.sharing import SHARING, listenOnAll, startOneByOne


class NetListenSharedPortsTests(ProgramTests):
    """
    The test.
    """

    def test_exclusive(self) -> None:
        """
        Only what the first worker has for itself is refused to the second.
        """
        self.assertEqual(self.perform(), SHARING)


async def primary() -> None:
    """
    Start one worker after the other.
    """
    await startOneByOne()


async def worker() -> None:
    """
    Listen on ports that are shared, and on one that is not.
    """

    def listen(number: int) -> Any:
        return reactor().listenTCP(number, serving(), interface="localhost")

    listenOnAll(listen)


if __name__ == "__main__":
    play(primary, worker)
