"""
What a worker says to the primary.

The first four travel on the query channel, where the worker waits for each
answer; everything that begins or ends a port's life is among them, so that
closing a port can never be overtaken by opening it again.  What is about
connections travels on the hand-off channel, and the others on the stream channel,
where the application's own commands travel, too: hence their names.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.protocols.amp import Boolean, Command, Integer, String, Unicode

from twisted_cluster._wire.arguments import Descriptors, Numbers
from twisted_cluster._wire.reserved import reserved
from twisted_cluster.listening import ListenRequest, PortKind


class Announce(Command):
    """
    This worker's process has started; it is about to run its program.

    C{wireVersion} lets two releases of this package that do not understand
    each other say so at once, and not at their first misunderstanding.  The
    answer tells the worker its number, how messages become bytes, and which of its
    descriptors are pipes to the primary.
    """

    arguments = [(b"wireVersion", Integer())]
    response = [
        (b"wireVersion", Integer()),
        (b"worker", Integer()),
        (b"serialization", Unicode()),
        (b"pipes", Numbers(optional=True)),
    ]


class Listen(Command):
    """
    Lend me a port; the arguments are the fields of L{ListenRequest}.

    C{errno} of the answer is 0, and the rest describes the loan; or it is the
    kernel's error number, and C{reason} says more if there is more to say.
    """

    arguments = [
        (b"kind", Unicode()),
        (b"interface", Unicode()),
        (b"port", Integer()),
        (b"path", String()),
        (b"backlog", Integer()),
        (b"mode", Integer()),
        (b"wantPID", Boolean()),
        (b"reuseAddress", Boolean()),
        (b"ipv6Only", Boolean()),
        (b"descriptor", Integer(optional=True)),
    ]
    response = [
        (b"errno", Integer()),
        (b"reason", Unicode(optional=True)),
        (b"loan", Integer(optional=True)),
        (b"acceptsItself", Boolean(optional=True)),
        (b"descriptors", Descriptors(optional=True)),
    ]


class SendOn(Command):
    """
    I send this port to another process, which may go on with it when everybody else
    has closed it.
    """

    arguments = [(b"loan", Integer())]
    response: ClassVar[list[tuple[bytes, Any]]] = []


class GiveBack(Command):
    """
    I closed this port.

    C{leaving} is true if the worker closed it because its reactor is stopping:
    then its successor will want the port, and the primary keeps it open.
    """

    arguments = [(b"loan", Integer()), (b"leaving", Boolean())]
    response: ClassVar[list[tuple[bytes, Any]]] = []


class Running(Command):
    """
    The program's reactor runs: from now on I can take connections.
    """

    commandName = reserved("Running")
    requiresAnswer = False


class StartTaking(Command):
    """
    Hand connections of this port over to me.
    """

    arguments = [(b"loan", Integer())]
    requiresAnswer = False


class StopTaking(Command):
    """
    Hand no connections of this port over to me for now.
    """

    arguments = [(b"loan", Integer())]
    requiresAnswer = False


class Touched(Command):
    """
    I am about to read or write the first byte of these connections, or have
    closed them: they are nobody else's any more.

    Only said of connections that were handed over as insured.
    """

    arguments = [(b"inodes", Numbers())]
    requiresAnswer = False


class Leaving(Command):
    """
    I am going to close the channel, because I want to or was asked to.

    The worker waits for the answer: when the channel is lost, the primary has to
    know that this is no crash.  From its answer on the primary's program says
    nothing more; the answer tells how many messages, and how many questions and
    answers, it has said by then, since they may arrive later, and whether it waits
    for answers itself.
    """

    commandName = reserved("Leaving")
    response = [
        (b"messages", Integer()),
        (b"questions", Integer()),
        (b"isWaiting", Boolean()),
    ]


class LastWords(Command):
    """
    I am about to end, and wait for nothing but that you receive my messages, and
    these are so many, and so many questions and answers.  Answered when that is done,
    or if nobody wants messages.

    What nobody wanted waits in the primary until the worker's exit is told; to the
    worker it is not delivered.
    """

    commandName = reserved("LastWords")
    arguments = [(b"messages", Integer()), (b"questions", Integer())]


WIRE_VERSION = 4


def listenArguments(request: ListenRequest) -> dict[str, Any]:
    """
    A request as the arguments of L{Listen}.
    """
    return {
        "kind": request.kind.value,
        "interface": request.interface,
        "port": request.port,
        "path": request.path,
        "backlog": request.backlog,
        "mode": request.mode,
        "wantPID": request.wantPID,
        "reuseAddress": request.reuseAddress,
        "ipv6Only": request.ipv6Only,
        "descriptor": request.descriptor,
    }


def listenRequest(arguments: dict[str, Any]) -> ListenRequest:
    """
    The request that the arguments of L{Listen} describe.

    @raise ValueError: if they describe none.
    """
    return ListenRequest(**{**arguments, "kind": PortKind(arguments["kind"])})
