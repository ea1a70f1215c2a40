"""
A test suite that starts workers; the first has ended before the reactor runs.  As a
program it is the second.
"""

from __future__ import annotations

import os

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from twisted_cluster import Cluster


class WorkerTests(TestCase):
    """
    Each test runs the reactor anew.
    """

    timeout = 60

    def test_1endsEarly(self):
        """
        Its end is known only when the reactor runs.
        """
        worker = Cluster(reactor, exec=__file__, args=[]).fork()
        worker.process.kill("SIGKILL")
        os.waitid(os.P_PID, worker.process.pid, os.WEXITED | os.WNOWAIT)
        return worker.whenExited()

    def test_2endsLater(self):
        """
        Its end is known when it happens.
        """
        return Cluster(reactor, exec=__file__, args=[]).fork().whenExited()


if __name__ == "__main__":
    reactor.callLater(0, reactor.stop)
    reactor.run()
