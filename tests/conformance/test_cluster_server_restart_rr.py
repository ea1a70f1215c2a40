"""
Node's C{test-cluster-server-restart-rr}: ports that are closed and opened
again.
"""

from __future__ import annotations

from tests.conformance.programs import ProgramTests, play
from tests.conformance.test_cluster_server_restart_none import primary, worker


class ServerRestartRrTests(ProgramTests):
    """
    The test.
    """

    def test_restart(self) -> None:
        """
        One worker listens a second time, and leaves, and then the other does.
        """
        seen = self.perform(environment={"TWISTED_CLUSTER_SCHED_POLICY": "rr"})
        self.assertEqual(seen["exit"], [[2, 0, None], [1, 0, None]])


if __name__ == "__main__":
    play(primary, worker)
