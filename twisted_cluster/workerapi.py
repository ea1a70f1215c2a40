"""
A worker, as a program knows it: C{cluster.Worker}, Node's C{Worker}.

It has the same shape on both sides.  In the primary, what is behind it is a
process and the channels to it (C{_primary.forkedworker}); in the worker's own
program, as C{cluster.worker}, it is this process and the channels to the primary
(C{_worker.thisworker}).  What Node leaves to callbacks and to chance is a Deferred
here, or happens exactly once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from signal import Signals, valid_signals
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.protocols.amp import Command, IResponderLocator

from twisted_cluster.errors import ConfigurationError, WorkerLost
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.observing import Emitter, Occasion

EVENTS = ("online", "listening", "message", "disconnect", "exit", "error")


def signalNumber(signal: str | int) -> int:
    """
    @param signal: The name of a signal, with or without C{SIG}, or its number; 0,
        which is none, only asks the kernel whether one could be sent.

    @raise ConfigurationError: if there is no such signal.
    """
    if isinstance(signal, str):
        named = Signals.__members__.get("SIG" + signal.removeprefix("SIG"))
        if named is not None:
            return named.value
    # Most real-time signals have a number only.
    elif signal in (0, *valid_signals()):
        return int(signal)
    raise ConfigurationError(f"there is no signal {signal!r}")


class WorkerStream:
    """
    One end of a pipe between a primary and a worker: what one end writes, the
    other reads.

    Its events, for C{on}, C{once} and C{off}, are C{data(bytes)} and C{end()}.  What
    the worker writes while nobody observes C{data} in the primary is dropped: a
    worker never waits for its primary to read.
    """

    def __init__(
        self,
        events: Emitter,
        write: Callable[[bytes], None],
        end: Callable[[], None],
    ) -> None:
        """
        @param events: Has the events.
        @param write: Writes into the pipe.
        @param end: Closes it for writing.
        """
        self.on = events.on
        self.once = events.once
        self.off = events.off
        self.when = events.when
        self._write = write
        self._end = end

    def write(self, data: bytes) -> None:
        """
        Write; nothing happens if the pipe is closed, or is only read from here.
        """
        self._write(data)

    def end(self) -> None:
        """
        Let the other end read the end, after what was written.
        """
        self._end()


def byDescriptor(
    streams: Mapping[int, WorkerStream],
) -> tuple[WorkerStream | None, ...]:
    """
    @return: The streams, each at the place of its descriptor, and C{None} at the
        others; with a place for standard input, output and error at least.
    """
    return tuple(streams.get(number) for number in range(max([2, *streams]) + 1))


class WorkerProcess(ABC):
    """
    The process of a worker, as C{worker.process}.

    @ivar pid: Its process id; C{None} if it could not be started.
    @ivar exitCode: Its exit status; C{None} while it runs, or if a signal ended
        it.
    @ivar signalCode: The name of the signal that ended it; C{None} otherwise.
    """

    pid: int | None
    exitCode: int | None = None
    signalCode: str | None = None

    @property
    @abstractmethod
    def stdio(self) -> tuple[WorkerStream | None, ...]:
        """
        By descriptor, our ends of the pipes between the primary and it; C{None}
        where there is no pipe.
        """

    @property
    def stdin(self) -> WorkerStream | None:
        """
        What it reads from its standard input, if that is a pipe.
        """
        return self.stdio[0]

    @property
    def stdout(self) -> WorkerStream | None:
        """
        What it writes to its standard output, if that is a pipe.
        """
        return self.stdio[1]

    @property
    def stderr(self) -> WorkerStream | None:
        """
        What it writes to its standard error, if that is a pipe.
        """
        return self.stdio[2]

    @property
    @abstractmethod
    def connected(self) -> bool:
        """
        Whether the channel between it and the primary is open.
        """

    @abstractmethod
    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Send it a signal; nothing happens if it has ended.

        @param signal: Its name or its number.

        @raise ConfigurationError: if there is no such signal.
        """

    @abstractmethod
    def disconnect(self) -> None:
        """
        Close the channel without a word: the worker takes it for the end of its
        primary, the primary for a crash.
        """


class Speech(Protocol):
    """
    What is said between a worker and its primary.
    """

    def say(self, message: object) -> Deferred[None]:
        """
        Send a message alone.
        """

    def send(
        self, message: object, handle: object, *, keepOpen: bool, unread: bytes
    ) -> Deferred[None]:
        """
        Send a message, and something along with it.
        """

    def ask(self, question: object, timeout: float | None) -> Deferred[Any]:
        """
        Send a question.
        """

    def answer(self, answerer: Callable[[Any], Any]) -> None:
        """
        Have questions answered.
        """

    def callRemote(
        self, command: type[Command], **arguments: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Have the other side respond to a command.
        """

    def addLocator(self, locator: IResponderLocator) -> None:
        """
        Have its commands responded to.
        """


class Worker(Emitter, ABC):
    """
    One worker.

    Its events, for C{on} and C{once}:

      - C{online()}: its process has come up; its program is not loaded yet.
      - C{listening(address)}: it listens; a L{ListeningAddress}.
      - C{message(message, handle)}: the other side sent a message.  Messages that
        come before anybody observes this wait.
      - C{disconnect()}: its channel is closed.  Exactly once, before C{exit}.
      - C{exit(code, signal)}: its process has ended.  Exactly once.
      - C{error(exception)}: its process could not be started.

    As in Node, C{online}, C{listening}, C{exit} and C{error} are told in the primary
    only.  What becomes of it is a Deferred on both sides, except that no process sees
    its own exit.

    @ivar id: Its number, from 1; never used again.
    @ivar process: Its process.
    """

    _log = Logger()
    _events: tuple[str, ...] = EVENTS

    process: WorkerProcess

    def __init__(self, id: int, speech: Speech) -> None:
        """
        @param speech: The conversation between the two sides.
        """
        super().__init__(self._events)
        self.id = id
        self._converse(speech)
        self._online: Occasion[Worker] = Occasion()
        self._listening: Occasion[ListeningAddress] = Occasion()
        self._disconnected: Occasion[Worker] = Occasion()
        self._exited: Occasion[WorkerExit] = Occasion()

    def __repr__(self) -> str:
        return f"<Worker {self.id}, {self.state}>"

    def _converse(self, speech: Speech) -> None:
        """
        From now on, this is what is said with.
        """
        self._speech = speech
        # Looked up once: most of what is said are messages alone.
        self._say = speech.say

    # -- what it is

    @property
    @abstractmethod
    def state(self) -> str:
        """
        In one word, how far it has come.
        """

    @property
    @abstractmethod
    def exitedAfterDisconnect(self) -> bool | None:
        """
        True if it was asked to leave, or chose to; false if it was lost; C{None} while
        it stays.
        """

    def isConnected(self) -> bool:
        """
        Whether messages can be sent to the other side.
        """
        return self.process.connected and not self._disconnected.isOver

    def isDead(self) -> bool:
        """
        Whether its process has ended; never, as long as its own program can ask.
        """
        return self._exited.isOver

    @abstractmethod
    def isBlocked(self) -> bool:
        """
        Whether its reactor has not turned for so long that it gets no connections.
        """

    # -- what it is asked

    @abstractmethod
    def disconnect(self) -> Deferred[Worker]:
        """
        Have it leave: it gets no new connections, closes its ports, finishes with
        its clients, has its messages delivered, and ends.  Asking twice is asking
        once.

        @return: Fires when its channel is closed.
        """

    @abstractmethod
    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        End it at once: in the primary, by a signal.

        @raise ConfigurationError: if there is no such signal.
        """

    def destroy(self, signal: str | int = "SIGTERM") -> None:
        """
        Another name that Node has for L{kill}.
        """
        self.kill(signal)

    def send(
        self,
        message: object,
        handle: object = None,
        *,
        keepOpen: bool = False,
        unread: bytes = b"",
    ) -> Deferred[None]:
        """
        Send a message to the other side, and perhaps a port, a transport or a
        socket along with it.

        @param handle: A listening port, a connected transport, a datagram port
            or a socket to send along; C{None} for none.
        @param keepOpen: Whether to keep a transport or socket here, too.
        @param unread: What was read already from a transport that is sent; the
            receiver's protocol is given it first.

        @return: Fires when the other side's program was given the message; fails
            with L{ChannelClosed<twisted_cluster.errors.ChannelClosed>} if that
            cannot happen any more, with
            L{HandleRefused<twisted_cluster.errors.HandleRefused>} if the other
            process has no descriptor left, and with
            L{MessageRefused<twisted_cluster.errors.MessageRefused>} if it cannot
            decode the message.

        @raise TypeError: if messages cannot be of this type, or contain it.
        @raise ValueError: if they cannot contain this value, or be so long.
        @raise ConfigurationError: if this handle cannot be sent, or not now.
        @raise OSError: if there is no descriptor left to send it with.
        """
        if handle is None:
            if unread or keepOpen:
                raise ConfigurationError(
                    "there is no handle to which unread or keepOpen could belong"
                )
            return self._say(message)
        return self._speech.send(message, handle, keepOpen=keepOpen, unread=unread)

    def ask(self, question: object, timeout: float | None = None) -> Deferred[Any]:
        """
        Send a question to the other side.

        @param timeout: Seconds to wait for the answer; C{None} is for ever.

        @return: Fires with the answer; fails with
            L{AnswerTimeout<twisted_cluster.errors.AnswerTimeout>}, which is a
            L{twisted.internet.defer.TimeoutError}, if there is none in time, with
            L{AnswerFailed<twisted_cluster.errors.AnswerFailed>} if the other side
            cannot answer, and with
            L{ChannelClosed<twisted_cluster.errors.ChannelClosed>} if it is lost
            before.
        """
        return self._speech.ask(question, timeout)

    def answer(self, answerer: Callable[[Any], Any]) -> None:
        """
        Have the other side's questions answered: with what C{answerer} returns, or
        with what a Deferred or a coroutine that it returns comes to.

        @raise ConfigurationError: if it cannot be called.
        """
        self._speech.answer(answerer)

    def callRemote(
        self, command: type[Command], **arguments: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Have the other side respond to an AMP command of the program's own.

        @return: Fires with the response; fails with one of the command's
            declared errors, L{twisted.protocols.amp.RemoteAmpError}, or
            L{ChannelClosed<twisted_cluster.errors.ChannelClosed>} if the other side
            is lost before.
        """
        return self._speech.callRemote(command, **arguments)

    def addLocator(self, locator: IResponderLocator) -> None:
        """
        Have the other side's commands responded to by C{locator}'s responders, such
        as a L{twisted.protocols.amp.CommandLocator} has.
        """
        self._speech.addLocator(locator)

    # -- what becomes of it

    def whenOnline(self) -> Deferred[Worker]:
        """
        @return: Fires when its process has come up; fails with
            L{WorkerLost<twisted_cluster.errors.WorkerLost>} if it never does.
        """
        return self._online.when()

    def whenListening(self) -> Deferred[ListeningAddress]:
        """
        @return: Fires when it listens for the first time; fails with
            L{WorkerLost<twisted_cluster.errors.WorkerLost>} if it never does.
        """
        return self._listening.when()

    def whenDisconnected(self) -> Deferred[Worker]:
        """
        @return: Fires when its channel is closed.
        """
        return self._disconnected.when()

    def whenExited(self) -> Deferred[WorkerExit]:
        """
        @return: Fires when its process has ended.  No process sees its own end:
            in the worker itself it fails with L{ConfigurationError}.
        """
        return self._exited.when()

    # -- what is reported of it

    def wasDisconnected(self) -> None:
        """
        Its channel is closed: nothing comes of it any more.
        """
        self._disconnected.happened(self)
        lost = WorkerLost(f"worker {self.id} is gone")
        self._online.willNeverHappen(lost)
        self._listening.willNeverHappen(lost)
        self.emit("disconnect")
