"""
Node's C{test-cluster-shared-handle-bind-privileged-port}: a port for which one
has to be root, where workers accept themselves.
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


class SharedHandleBindPrivilegedPortTests(ProgramTests):
    """
    The test.
    """

    def test_notAllowed(self) -> None:
        """
        The worker is told so, and nobody that it listens.
        """
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
            if int(file.read()) <= 42:
                self.skipTest("every user may bind port 42 here")
        seen = self.perform(
            environment={"TWISTED_CLUSTER_SCHED_POLICY": "none"}, launcher=UNPRIVILEGED
        )
        self.assertEqual(seen["error"], ["EACCES"])
        self.assertEqual(seen["exit"], [[0, None]])


async def primary() -> None:
    """
    Fork one worker.
    """
    worker = cluster.fork()
    worker.on("listening", mustNotCall("listening"))
    await sawExit(worker)


async def worker() -> None:
    """
    Try to listen.
    """
    try:
        reactor().listenTCP(42, serving(), interface="127.0.0.1")
    except CannotListenError as e:
        saw("error", errno.errorcode[e.socketError.errno])
    assert cluster.worker is not None
    await cluster.worker.disconnect()


if __name__ == "__main__":
    play(primary, worker)
