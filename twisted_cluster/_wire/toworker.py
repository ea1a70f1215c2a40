"""
What the primary says to a worker.

L{TakeConnections} has a channel of its own, the hand-off channel, on which the
primary says nothing else: each box is one packet there, which is read by the
worker, or taken back by the primary, but never by both.  The others travel on
the stream channel, with the application's own commands: hence their names.
"""

from __future__ import annotations

from twisted.protocols.amp import Boolean, Command, Integer

from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster._wire.reserved import reserved


class TakeConnections(Command):
    """
    Serve these connections; they were accepted on a port that you borrowed.

    C{inodes} are the sockets' inode numbers, in the order of C{descriptors}:
    the worker uses a descriptor only if it is the one that was meant.

    The answer names the positions of those that the worker does not take.
    Everything else belongs to the worker from that answer on; until then the
    primary keeps its own descriptor of each.

    C{insured} asks the worker to say, with L{Touched
    <twisted_cluster._wire.toprimary.Touched>}, before it reads or writes the first
    byte of each: until then the primary keeps its own descriptor, to give the
    connection to another worker should this one be lost.
    """

    arguments = [
        (b"loan", Integer()),
        (b"inodes", Numbers()),
        (b"descriptors", Descriptors()),
        (b"insured", Boolean(optional=True)),
    ]
    response = [(b"refused", Numbers())]


class Turn(Command):
    """
    Does your reactor turn?

    The answer says so by being there.
    """

    commandName = reserved("Turn")


class Leave(Command):
    """
    Close your ports, finish with your clients, and end.

    The answer says that the worker has begun.
    """

    commandName = reserved("Leave")
