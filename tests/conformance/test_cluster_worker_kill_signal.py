"""
Node's C{test-cluster-worker-kill-signal}: a worker that is killed.
"""

from __future__ import annotations

from tests.conformance.programs import ProgramTests, play
from tests.conformance.test_cluster_worker_kill import killListening, worker
from tests.conformance.watching import life


class WorkerKillSignalTests(ProgramTests):
    """
    The test.
    """

    def test_kill(self) -> None:
        """
        It is told of itself and of the cluster, that nobody wanted it to end, and
        the process is gone.
        """
        seen = self.perform()
        for who in ("worker", "cluster"):
            self.assertEqual(seen[who], life([None, "SIGKILL"], False))
        self.assertEqual(seen["gone"], [True])


async def primary() -> None:
    """
    Kill it by its own method.
    """
    await killListening(lambda worker: worker.kill("SIGKILL"))


if __name__ == "__main__":
    play(primary, worker)
