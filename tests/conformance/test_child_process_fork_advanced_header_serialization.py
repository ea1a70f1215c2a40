"""
Node's C{test-child-process-fork-advanced-header-serialization}: a worker writes
nonsense to the channel.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.logger import LogEvent, Logger

import twisted_cluster as cluster
from tests.conformance.programs import ProgramTests, play, reactor, saw, sawExit
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._wire.messaging import MessagingChannel

ADAPTED = (
    "The wire is another one: what Node reads as the length of a message is that of a "
    "name in a box."
)


class ForkAdvancedHeaderSerializationTests(ProgramTests):
    """
    The test.
    """

    def test_survives(self) -> None:
        """
        The primary says so, closes the channel, and goes on.
        """
        seen = self.perform()
        self.assertEqual(seen["exit"], [[0, None]] * 4)
        self.assertEqual(seen["said"], [4])


async def primary() -> None:
    """
    Start a worker for each kind of nonsense.
    """
    said: list[LogEvent] = []
    observer: Any = said.append
    MessagingChannel._log = Logger(observer=observer)
    for prefix in ("00000001", "7fffffff", "80000000", "ffffffff"):
        await sawExit(cluster.fork({"PREFIX": prefix}))
    saw("said", len(said))


async def worker() -> None:
    """
    Write it, where the package's own words go.
    """
    # The other one keeps packets apart, and carries connections only.
    [channel] = [
        reader
        for reader in reactor()._internalReaders
        if isinstance(reader, DescriptorTransport)
        and reader._socket.type == socket.SOCK_STREAM
    ]
    os.write(channel.fileno(), bytes.fromhex(os.environ["PREFIX"]) + b"garbage")


if __name__ == "__main__":
    play(primary, worker)
