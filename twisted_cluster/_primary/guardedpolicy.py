"""
A policy that somebody else wrote, whose mistakes must not cost connections.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from twisted_cluster.scheduling import ICandidate, ISchedulingPolicy, RoundRobin


@implementer(ISchedulingPolicy)
class GuardedPolicy:
    """
    Asks a policy; where that fails, or chooses a worker that it cannot, the workers
    take turns.

    @ivar _workers: The workers that were added.
    @ivar _turns: Who is next when the policy does not know.
    @ivar _complained: Whether its last choice was a mistake: of a series of them,
        one for each connection perhaps, the first is logged.
    """

    _log = Logger()

    def __init__(self, policy: ISchedulingPolicy) -> None:
        self._policy = policy
        self._workers: set[ICandidate] = set()
        self._turns = RoundRobin()
        self._complained = False

    def workerAdded(self, worker: ICandidate) -> None:
        """
        Tell the policy, and who chooses where that fails.
        """
        self._workers.add(worker)
        self._turns.workerAdded(worker)
        self._tell(self._policy.workerAdded, worker)

    def workerRemoved(self, worker: ICandidate) -> None:
        """
        Tell the policy, and who chooses where that fails.
        """
        self._workers.discard(worker)
        self._turns.workerRemoved(worker)
        self._tell(self._policy.workerRemoved, worker)

    def choose(
        self, connection: object, isFree: Callable[[ICandidate], bool]
    ) -> ICandidate | None:
        """
        Ask the policy.
        """
        try:
            chosen: Any = self._policy.choose(connection, isFree)
        except Exception:
            if not self._complained:
                self._log.failure("{policy!r} failed to choose", policy=self._policy)
        else:
            # It may be anything, also something that cannot be in a set.
            if chosen is None or (
                any(chosen is worker for worker in self._workers) and isFree(chosen)
            ):
                self._complained = False
                return chosen  # type: ignore[no-any-return]
            if not self._complained:
                self._log.error(
                    "{policy!r} chose {chosen!r}, which is no worker that is free",
                    policy=self._policy,
                    chosen=chosen,
                )
        self._complained = True
        return self._turns.choose(connection, isFree)

    def _tell(self, tell: Callable[[ICandidate], object], worker: ICandidate) -> None:
        """
        Tell the policy of a worker.
        """
        try:
            tell(worker)
        except Exception:
            self._log.failure(
                "{policy!r} failed to hear of worker {worker.id}",
                policy=self._policy,
                worker=worker,
            )


def guarded(policy: ISchedulingPolicy) -> ISchedulingPolicy:
    """
    A policy that can be relied on: it is asked for every connection, so the usual
    one is left as it is.
    """
    return policy if type(policy) is RoundRobin else GuardedPolicy(policy)
