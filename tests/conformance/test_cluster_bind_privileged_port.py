"""
Node's C{test-cluster-bind-privileged-port}: a worker wants a port that is only
for the superuser.
"""

from __future__ import annotations

import errno

from twisted.internet.error import CannotListenError

import twisted_cluster as cluster
from tests.conformance.programs import (
    UNPRIVILEGED,
    ProgramTests,
    mustNotCall,
    play,
    reactor,
    saw,
    sawExit,
    serving,
)


class BindPrivilegedPortTests(ProgramTests):
    """
    The test.
    """

    def test_refused(self) -> None:
        """
        Listening fails with C{EACCES}, nobody hears that the worker listens, and
        it can leave.
        """
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            if int(file.read()) <= 42:
                self.skipTest("every user may bind port 42 here")
        seen = self.perform(launcher=UNPRIVILEGED)
        self.assertEqual(seen, {"errno": ["EACCES"], "exit": [[0, None]]})


async def primary() -> None:
    """
    Start the worker.
    """
    cluster.on("listening", mustNotCall("listening"))
    await sawExit(cluster.fork())


async def worker() -> None:
    """
    Try.
    """
    assert cluster.worker is not None
    try:
        reactor().listenTCP(42, serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("errno", errno.errorcode[e.socketError.errno])
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
