"""
This worker, as its own program sees it: C{cluster.worker} of Node's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IListeningPort

from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._worker.earlyspeech import EarlySpeech
from twisted_cluster._worker.leaving import Leaving
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster.errors import ConfigurationError, WorkerLost
from twisted_cluster.events import WorkerExit
from twisted_cluster.interfaces import IServing
from twisted_cluster.workerapi import (
    EVENTS,
    Worker,
    WorkerProcess,
    WorkerStream,
    byDescriptor,
    signalNumber,
)


class ThisProcess(WorkerProcess):
    """
    The process that this is.
    """

    def __init__(self, link: PrimaryLink) -> None:
        self._link = link
        self._streams: Mapping[int, WorkerStream] | None = None

    @property
    def pid(self) -> int:  # type: ignore[override]
        """
        Its process id.
        """
        return os.getpid()

    @property
    def stdio(self) -> tuple[WorkerStream | None, ...]:
        """
        This process's ends of the pipes to the primary, which the program can also
        use as C{sys.stdin} and so on: nothing is read from here before C{data} is
        observed.

        @raise ConfigurationError: if there is no reactor yet.
        """
        if self._streams is None:
            raise ConfigurationError("import or install the reactor first")
        return byDescriptor(self._streams)

    @property
    def connected(self) -> bool:
        """
        Whether the channel to the primary is open, and nobody has begun to close it.
        """
        # Until there is a reactor, nobody has looked whether it was closed.
        return self._streams is None or self._link.maySay

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Send it a signal.
        """
        os.kill(os.getpid(), signalNumber(signal))

    def disconnect(self) -> None:
        """
        Close the channel: as if the primary had gone.
        """
        self._link.hangUp()

    def reactorInstalled(self, streams: Mapping[int, WorkerStream]) -> None:
        """
        There is a reactor.

        @param streams: By descriptor, the pipes to the primary.
        """
        self._streams = streams


class ThisWorker(Worker):
    """
    What the program of a worker can ask about itself, and do.

    It has one event more: C{drop(port, host, peer)}, when a connection was closed
    because there were too many, with the two addresses that it had; see
    L{limitConnections}.
    """

    _events = (*EVENTS, "drop")

    def __init__(self, id: int, link: PrimaryLink, leaving: Leaving) -> None:
        self._early = EarlySpeech()
        super().__init__(id, self._early)
        self.process: ThisProcess = ThisProcess(link)
        self._leaving = leaving
        self._serving: IServing | None = None
        self._correspondence: Correspondence | None = None
        # It has announced itself, or there would be no such object.
        self._online.happened(self)

    # -- what it is

    @property
    def state(self) -> str:
        """
        C{"online"}, C{"listening"}, C{"disconnecting"} or C{"disconnected"}.
        """
        if self._disconnected.isOver:
            return "disconnected"
        if self._leaving.begun:
            return "disconnecting"
        isListening = self._serving is not None and self._serving.isListening
        return "listening" if isListening else "online"

    @property
    def exitedAfterDisconnect(self) -> bool | None:
        """
        Whether it leaves because somebody wants it to; C{None} while it does not
        leave at all.
        """
        if self._leaving.begun:
            return True
        return False if self._disconnected.isOver else None

    def isBlocked(self) -> bool:
        """
        Never, as long as its program can ask.
        """
        return False

    # -- what it does

    def disconnect(self) -> Deferred[Worker]:
        """
        Leave.

        @return: Fires when the channel is closed.

        @raise ConfigurationError: if there is no reactor yet.
        """
        self._leaving.leave(self._served())
        return self.whenDisconnected()

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Leave at once, without finishing with the clients, and end with exit
        status 0; the primary takes it for wanted.

        @param signal: Node ignores it, and so does this; C{process.kill} sends
            one.
        """
        self._leaving.hurry()

    def whenExited(self) -> Deferred[WorkerExit]:
        """
        @return: Fails with L{ConfigurationError}.
        """
        return fail(
            ConfigurationError(
                "no process sees its own end: ask for it in the primary, or add a "
                "trigger to the shutdown of this worker's reactor"
            )
        )

    def limitConnections(
        self, port: IListeningPort, limit: int | None, *, drop: bool = False
    ) -> None:
        """
        Serve no more than so many connections of a port at a time: Node's
        C{server.maxConnections}.

        When there are so many, the other workers get what comes; if all of them
        are full it waits in the primary, and then in the kernel's backlog.

        @param port: An open port that the workers share.
        @param limit: How many; C{None} for any number.
        @param drop: Whether to take what comes and close it instead, which is told
            by the event C{drop}: Node's C{server.dropMaxConnection}.

        @raise ConfigurationError: if it is no such port, or no such limit.
        """
        dropped = partial(self.emit, "drop", port) if drop else None
        self._served().limitConnections(port, limit, dropped)

    # -- ports that are not simply shared

    def exclusive(self) -> AbstractContextManager[None]:
        """
        Node's C{exclusive: true}::

            with cluster.worker.exclusive():
                reactor.listenTCP(8001, factory)

        @return: A context manager.  Ports that are opened meanwhile are this
            worker's own: the primary is not asked, and no other worker can have
            the same address.
        """
        return self._served().owning()

    def ipv6Only(self) -> AbstractContextManager[None]:
        """
        Node's C{ipv6Only: true}, for TCP and UDP::

            with cluster.worker.ipv6Only():
                reactor.listenTCP(8000, factory, interface="::")

        @return: A context manager.  Ports for C{"::"} that are opened meanwhile
            leave IPv4 alone; without it they serve both, as Twisted's do.
        """
        return self._served().onIPv6Only()

    def adoptStreamPort(
        self, descriptor: int, addressFamily: int, factory: Any
    ) -> IListeningPort:
        """
        Listen on a socket that the primary was started with: Node's
        C{listen({fd: n})}.

        It is the reactor's method of this name, for the primary's descriptors.
        Several workers can have the same one, and take turns.

        @param descriptor: Its number in the primary.
        @param addressFamily: C{socket.AF_INET}, C{AF_INET6} or C{AF_UNIX}.

        @raise CannotListenError: if the primary has no such socket.
        """
        return self._served().adoptStreamPort(descriptor, addressFamily, factory)

    def adoptDatagramPort(
        self,
        descriptor: int,
        addressFamily: int,
        protocol: Any,
        maxPacketSize: int = 8192,
    ) -> IListeningPort:
        """
        Receive on a UDP socket that the primary was started with: Node's
        C{bind({fd: n})}.

        @param descriptor: Its number in the primary.
        @param addressFamily: C{socket.AF_INET} or C{AF_INET6}.

        @raise CannotListenError: if the primary has no such socket.
        """
        return self._served().adoptDatagramPort(
            descriptor, addressFamily, protocol, maxPacketSize
        )

    # -- what the boot tells it

    def reactorInstalled(
        self,
        serving: IServing,
        correspondence: Correspondence,
        streams: Mapping[int, WorkerStream],
    ) -> None:
        """
        There is a reactor: messages can be received.

        @param streams: By descriptor, the pipes to the primary.
        """
        self._serving = serving
        self._correspondence = correspondence
        self.process.reactorInstalled(streams)
        # Nothing comes of it that is not told by the end of this process.
        serving.whenListening().addCallback(self._listening.happened)
        self._converse(correspondence)
        self._early.passOn(correspondence)
        correspondence.receiveGroups(self._received, lambda: self.isObserved("message"))

    def leaveAsAsked(self) -> None:
        """
        The primary wants this worker to leave.
        """
        self._leaving.leave(self._served())

    def channelLost(self) -> None:
        """
        The channel is closed.
        """
        self.wasDisconnected()
        self.happenNoMore(WorkerLost("the channel to the primary is closed"))
        self._leaving.channelLost()

    def _observersChanged(self, name: str) -> None:
        """
        Messages wait while nobody observes them.
        """
        if name == "message" and self._correspondence is not None:
            self._correspondence.goOnLater()

    def _received(self, messages: Iterator[object], along: object) -> None:
        """
        The primary sent messages.
        """
        for message in messages:
            self.emit("message", message, along)
            if not self.isObserved("message"):
                break

    def _served(self) -> IServing:
        """
        @raise ConfigurationError: if there is no reactor yet.
        """
        if self._serving is None:
            raise ConfigurationError("import or install the reactor first")
        return self._serving
