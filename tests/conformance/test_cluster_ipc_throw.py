"""
Node's C{test-cluster-ipc-throw}: a worker wants a port that its primary has
itself, disconnects, and then has an unexpected exception.
"""

from __future__ import annotations

import errno
import os

from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
    tolerate,
)

ADAPTED = "Exceptions that nobody expected are logged, and end no Twisted program."


class Unexpected(Exception):
    """
    Nobody expected this.
    """


class IPCThrowTests(ProgramTests):
    """
    The test.
    """

    def test_ends(self) -> None:
        """
        The worker ends, and the primary can close its port.
        """
        self.assertEqual(
            self.perform(),
            {"errno": ["EADDRINUSE"], "unexpected": [True], "exit": [[0, None]]},
        )


async def primary() -> None:
    """
    Listen, and start the worker.
    """
    port = reactor().listenTCP(0, serving(), interface="127.0.0.1")
    cluster.on("listening", mustNotCall("listening"))
    await sawExit(cluster.fork({"PORT": str(port.getHost().port)}))
    await port.stopListening()


async def worker() -> None:
    """
    Try.
    """
    assert cluster.worker is not None
    tolerate(Unexpected)
    globalLogPublisher.addObserver(logged)
    try:
        reactor().listenTCP(int(os.environ["PORT"]), serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("errno", errno.errorcode[e.socketError.errno])
        cluster.worker.disconnect()

        def fails() -> None:
            raise Unexpected

        reactor().callLater(0, fails)


@provider(ILogObserver)
def logged(event: LogEvent) -> None:
    """
    See whether it is the exception.
    """
    if "log_failure" in event:
        saw("unexpected", event["log_failure"].check(Unexpected) is Unexpected)


if __name__ == "__main__":
    play(primary, worker)
