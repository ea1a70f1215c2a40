"""
What a scheduling policy is.

Nothing here, nor in any policy, knows Twisted, a socket or a process.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Attribute, Interface


class ICandidate(Interface):
    """
    A worker, as a policy sees it: something hashable that stays the same
    object from C{workerAdded} to C{workerRemoved}.
    """

    id: int = Attribute("The worker's number; never given to another worker.")


class ISchedulingPolicy(Interface):
    """
    Chooses the worker that serves a connection.  Each port has a policy object
    of its own, so that what one port is given does not disturb the order of
    another.
    """

    def workerAdded(worker: ICandidate) -> None:
        """
        C{worker} listens on this port from now on.  It is not added twice.
        """

    def workerRemoved(worker: ICandidate) -> None:
        """
        C{worker} does not listen on this port any more, or is gone; forget it.
        It was added before.
        """

    def choose(
        connection: object, isFree: Callable[[ICandidate], bool]
    ) -> ICandidate | None:
        """
        Choose who serves C{connection}.  What is returned is an assignment,
        not a proposal: the worker will be given this connection.

        This is called for every connection, so it has to be cheap, and must
        not wait for anything.

        @param connection: The accepted connection.
        @param isFree: Tells of a worker whether it can be given one more
            connection now: that it does not pause, is not blocked, and has
            not yet as many on their way to it as it may.  The answer for a
            worker can change from one call of C{choose} to the next.

        @return: A worker that was added and is free; or C{None} to let the
            connection wait.  It is offered again, before those behind it, when
            a worker is added or becomes free.
        """
