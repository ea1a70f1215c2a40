"""
Which worker gets this connection: scheduling policies.

 - L{policy <twisted_cluster.scheduling.policy>}: the interface of a policy
 - L{roundrobin <twisted_cluster.scheduling.roundrobin>}: each worker in turn

Writing a policy
================

A policy is one object per port that implements L{ISchedulingPolicy}.  It is
told which workers listen on the port, and asked for each connection who should
serve it.  It knows nothing else: no sockets, no processes, no Twisted, so that
it can be tested by calling it.  A worker is opaque to it, something hashable
with a number (L{ICandidate}).

This one keeps as many workers as it can without work, by always choosing the
oldest one that is free:

    >>> from zope.interface import implementer
    >>> from twisted_cluster.scheduling import ISchedulingPolicy
    >>> @implementer(ISchedulingPolicy)
    ... class OldestFirst:
    ...     def __init__(self):
    ...         self.workers = []
    ...     def workerAdded(self, worker):
    ...         self.workers.append(worker)
    ...         self.workers.sort(key=lambda worker: worker.id)
    ...     def workerRemoved(self, worker):
    ...         self.workers.remove(worker)
    ...     def choose(self, connection, isFree):
    ...         return next(filter(isFree, self.workers), None)

    >>> from types import SimpleNamespace
    >>> policy = OldestFirst()
    >>> for number in [2, 1]:
    ...     policy.workerAdded(SimpleNamespace(id=number))
    >>> policy.choose(None, lambda worker: True).id
    1
    >>> policy.choose(None, lambda worker: worker.id != 1).id
    2
    >>> policy.choose(None, lambda worker: False) is None
    True

A cluster that a program makes itself has it with
C{Cluster(handoff=HandoffSettings(newPolicy=OldestFirst))}.

What a policy has to keep to:

 - Choose only a worker that was added and for which C{isFree} says C{True};
   it says so for the connection at hand only, so do not remember the answer.
 - What C{choose} returns is an assignment.  A policy that counts, counts then.
 - Return C{None} if nobody is free.  The connection waits and is offered again;
   a policy never keeps a connection.
 - Be quick.  C{choose} runs in the primary for every connection, before the
   next one is accepted: L{RoundRobin} takes less than a microsecond.  Never
   wait, and never raise.
"""

from twisted_cluster.scheduling.policy import ICandidate, ISchedulingPolicy
from twisted_cluster.scheduling.roundrobin import RoundRobin

__all__ = ["ICandidate", "ISchedulingPolicy", "RoundRobin"]
