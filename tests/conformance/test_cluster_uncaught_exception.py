"""
Node's C{test-cluster-uncaught-exception}: a primary with an exception.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

import twisted_cluster as cluster
from tests.conformance.programs import (
    ProgramTests,
    exitNow,
    play,
    reactor,
    saw,
    tolerate,
)

ADAPTED = (
    "The hook is an observer of the log: that is where a Twisted program's exceptions "
    "go."
)


class UncaughtExceptionTests(ProgramTests):
    """
    The test.
    """

    def test_hook(self) -> None:
        """
        What the primary does about it happens, whatever the worker does.
        """
        seen = self.perform(status=42)
        self.assertEqual(seen["hook"], ["ZeroDivisionError"])


async def primary() -> None:
    """
    Fail, and end from what is told of the failure.
    """
    tolerate(ZeroDivisionError)

    @implementer(ILogObserver)
    def hook(event: LogEvent) -> None:
        failure = event.get("log_failure")
        if failure is not None:
            saw("hook", failure.type.__name__)
            exitNow(42)

    globalLogPublisher.addObserver(hook)
    cluster.fork()
    reactor().callLater(0, lambda: 1 // 0)
    await Deferred()


async def worker() -> None:
    """
    End at once.
    """
    exitNow(0)


if __name__ == "__main__":
    play(primary, worker)
