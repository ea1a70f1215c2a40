"""
This worker, as its own program sees it: C{cluster.worker} of Node's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.protocols.amp import Command, IResponderLocator

from twisted_cluster._wire.correspondence import Correspondence, requireAnswerer
from twisted_cluster._worker.leaving import Leaving
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.interfaces import IServing
from twisted_cluster.observing import Emitter, Occasion

EVENTS = ("online", "listening", "message", "disconnect", "exit", "error")


class ThisProcess:
    """
    The process that this is.
    """

    exitCode = None
    signalCode = None

    def __init__(self, link: PrimaryLink) -> None:
        self._link = link

    @property
    def pid(self) -> int:
        """
        Its number.
        """
        return os.getpid()

    @property
    def connected(self) -> bool:
        """
        Whether the channel to the primary is open.
        """
        return self._link.connected == 1

    def disconnect(self) -> None:
        """
        Close the channel, without telling the primary that it is wanted: as if
        the primary had gone.
        """
        if self._link.connected:
            self._link.transport.loseConnection()


class ThisWorker(Emitter):
    """
    What the program of a worker can ask about itself, and do.

    Its events, for C{on} and C{once}:

      - C{message(message, handle)}: the primary sent a message.  Messages that
        come before anybody observes this wait.
      - C{disconnect()}: the channel to the primary is closed.
      - C{error(exception)}: something went wrong.
      - C{online}, C{listening} and C{exit} are those that a worker has in the
        primary, and are told there only, as in Node.

    @ivar id: Its number.
    @ivar process: This process.
    """

    _log = Logger()

    def __init__(self, id: int, link: PrimaryLink, leaving: Leaving) -> None:
        super().__init__(EVENTS)
        self.id = id
        self.process = ThisProcess(link)
        self._leaving = leaving
        self._serving: IServing | None = None
        self._correspondence: Correspondence | None = None
        self._say = self._sayEarly
        self._disconnected: Occasion[ThisWorker] = Occasion()
        self._listened = False
        self._answerer: Callable[[Any], Any] | None = None
        self._locators: list[IResponderLocator] = []

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

    def isConnected(self) -> bool:
        """
        Whether messages can be sent to the primary.
        """
        return self.process.connected

    def isDead(self) -> bool:
        """
        Never, as long as anybody can ask.
        """
        return False

    # -- what it does

    def send(
        self,
        message: object,
        handle: object = None,
        *,
        keepOpen: bool = False,
        unread: bytes = b"",
    ) -> Deferred[None]:
        """
        Send a message to the primary; see L{Correspondence.send}.
        """
        if handle is None:
            return self._say(message)
        return self._correspond().send(
            message, handle, keepOpen=keepOpen, unread=unread
        )

    def ask(self, question: object, timeout: float | None = None) -> Deferred[Any]:
        """
        Send a question to the primary; see L{Correspondence.ask}.
        """
        return self._correspond().ask(question, timeout)

    def answer(self, answerer: Callable[[Any], Any]) -> None:
        """
        Have the primary's questions answered; see L{Correspondence.answer}.
        """
        requireAnswerer(answerer)
        self._answerer = answerer
        if self._correspondence is not None:
            self._correspondence.answer(answerer)

    def callRemote(
        self, command: type[Command], **arguments: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Have the primary respond to an AMP command; see
        L{Correspondence.callRemote}.
        """
        return self._correspond().callRemote(command, **arguments)

    def addLocator(self, locator: IResponderLocator) -> None:
        """
        Have the primary's commands responded to by C{locator}'s responders, such
        as a L{twisted.protocols.amp.CommandLocator} has.
        """
        self._locators.append(locator)
        if self._correspondence is not None:
            self._correspondence.locators.add(locator)

    def disconnect(self) -> Deferred[ThisWorker]:
        """
        Leave: close the ports, finish with the clients, close the channel, and
        end when nothing else keeps this process.  Asking twice is asking once.

        @return: Fires when the channel is closed.
        """
        if not self._disconnected.isOver:
            self._leaving.leave(self._served(), announced=False)
        return self._disconnected.when()

    def kill(self, signal: str | None = None) -> None:
        """
        Leave at once, without finishing with the clients, and end with exit
        status 0; the primary takes it for wanted.

        @param signal: Node ignores it, and so does this.
        """
        self._leaving.hurry()

    destroy = kill

    def whenDisconnected(self) -> Deferred[ThisWorker]:
        """
        @return: Fires when the channel is closed.
        """
        return self._disconnected.when()

    def limitConnections(self, port: IListeningPort, limit: int) -> None:
        """
        Serve no more than so many connections of a port at a time: Node's
        C{server.maxConnections}.

        When there are so many, the other workers get what comes; if all of them
        are full it waits in the primary, and then in the kernel's backlog.

        @param port: An open port that the workers share.

        @raise ConfigurationError: if it is none.
        """
        self._served().limitConnections(port, limit)

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
        self, serving: IServing, correspondence: Correspondence
    ) -> None:
        """
        There is a reactor: messages can be received.
        """
        self._serving = serving
        self._correspondence = correspondence
        self._say = correspondence.say
        if self._answerer is not None:
            correspondence.answer(self._answerer)
        for locator in self._locators:
            correspondence.locators.add(locator)
        if self.isObserved("message"):
            self._observed("message")

    def leaveAsAsked(self) -> None:
        """
        The primary wants this worker to leave.
        """
        self._leaving.leave(self._served(), announced=True)

    def channelLost(self) -> None:
        """
        The channel is closed.
        """
        self._disconnected.happened(self)
        self.emit("disconnect")
        self._leaving.channelLost()

    def _observed(self, name: str) -> None:
        """
        Somebody observes messages for the first time.
        """
        if name == "message" and not self._listened and self._correspondence:
            self._listened = True
            self._correspondence.receiveGroups(self._received)

    def _received(self, messages: list[object], along: object) -> None:
        """
        The primary sent messages.
        """
        for message in messages:
            self.emit("message", message, along)

    def _sayEarly(self, message: object) -> Deferred[None]:
        """
        Send a message alone, before there is a reactor.
        """
        return self._correspond().say(message)

    def _correspond(self) -> Correspondence:
        """
        @raise ConfigurationError: if there is no reactor yet.
        """
        if self._correspondence is None:
            raise ConfigurationError(
                "import or install the reactor before sending messages"
            )
        return self._correspondence

    def _served(self) -> IServing:
        """
        @raise ConfigurationError: if there is no reactor yet.
        """
        if self._serving is None:
            raise ConfigurationError("import or install the reactor first")
        return self._serving
