"""
Each worker in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define, field
from zope.interface import implementer

from twisted_cluster.scheduling.policy import ICandidate, ISchedulingPolicy


@define(eq=False)
@implementer(ISchedulingPolicy)
class RoundRobin:
    """
    Strict rotation by assignment: the connection goes to the free worker that
    has waited longest for one.  So a burst over free workers is spread evenly
    to within one connection, however fast or slow the workers are.

    A worker that is not free is passed over and keeps its place: it gets the
    next connection after it has become free, but nothing to make up for what
    it missed, which would be a burst on the very worker that had too much.

    @ivar _queue: The workers, the one whose turn it is first.
    @ivar _served: The worker that got the latest connection, and then is the
        last in the queue; C{None} if there was none, or it was removed.
    """

    _queue: deque[ICandidate] = field(factory=deque, init=False)
    _served: ICandidate | None = field(default=None, init=False)

    def workerAdded(self, worker: ICandidate) -> None:
        """
        Put C{worker} behind everyone who waits already.
        """
        if self._served is None:
            self._queue.append(worker)
        else:
            # The one that was just served does not wait: it would have two in
            # a row if it stood alone in the queue and stayed before this one.
            self._queue.insert(len(self._queue) - 1, worker)

    def workerRemoved(self, worker: ICandidate) -> None:
        """
        Forget C{worker}; the others keep their order.
        """
        self._queue.remove(worker)
        if worker is self._served:
            self._served = None

    def choose(
        self, connection: object, isFree: Callable[[ICandidate], bool]
    ) -> ICandidate | None:
        """
        Choose the free worker that has waited longest.
        """
        queue = self._queue
        for position, worker in enumerate(queue):
            if isFree(worker):
                # Usually the first is free, and deleting it costs nothing.
                del queue[position]
                queue.append(worker)
                self._served = worker
                return worker
        return None
