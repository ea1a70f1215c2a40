"""
A worker, as programs that use this package as a library see it from the primary.

Node's C{Worker}, with its names; what Node leaves to callbacks and to chance is
a Deferred here, or happens exactly once.  What is behind it, the process and
its channels, is the L{WorkerHandle}'s.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.protocols.amp import Command, IResponderLocator

from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._primary.workeroutput import OutputStream
from twisted_cluster._primary.workerpipes import WorkerPipes
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster.errors import WorkerLost
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.observing import Emitter, Occasion

EVENTS = ("online", "listening", "message", "disconnect", "exit", "error")


class WorkerStream:
    """
    A pipe between the primary and a worker: what one writes, the other reads.

    Its events are C{data(bytes)} and C{end()}.  What comes while nobody observes
    C{data} is dropped: a worker never waits for its primary to read.
    """

    def __init__(
        self, pipes: WorkerPipes, descriptor: int, output: OutputStream
    ) -> None:
        self.on = output.on
        self.once = output.once
        self.off = output.off
        self._pipes = pipes
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """
        Write; nothing happens if the pipe is closed.
        """
        self._pipes.write(self._descriptor, data)

    def end(self) -> None:
        """
        Let the worker read the end, after what was written.
        """
        self._pipes.close(self._descriptor)


class WorkerProcess:
    """
    The process of a worker, as C{worker.process}.

    @ivar stdio: By descriptor, its pipes; C{None} where there is none.
    @ivar exitCode: Its exit status; C{None} while it runs, or if a signal ended
        it.
    @ivar signalCode: The name of the signal that ended it; C{None} otherwise.
    """

    def __init__(self, handle: WorkerHandle) -> None:
        self._handle = handle
        self.exitCode: int | None = None
        self.signalCode: str | None = None
        self.pid: int | None = handle.pid
        streams = {
            descriptor: WorkerStream(handle.pipes, descriptor, output)
            for descriptor, output in handle.pipes.output.items()
            if isinstance(output, OutputStream)
        }
        self.stdio = tuple(
            streams.get(number) for number in range(max([2, *streams]) + 1)
        )

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
    def connected(self) -> bool:
        """
        Whether its channel is open.
        """
        return self._handle.link.connected == 1

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Send it a signal; nothing happens if it has ended.

        @param signal: Its name or its number.

        @raise ConfigurationError: if there is no such signal.
        """
        self._handle.signal(signal)

    def disconnect(self) -> None:
        """
        Close the channel, without asking anybody: the worker takes it for the
        end of its primary.
        """
        self._handle.disconnect()


class Worker(Emitter):
    """
    One worker.

    Its events, for C{on} and C{once}:

      - C{online()}: its process has come up; its program is not loaded yet.
      - C{listening(address)}: it listens; a L{ListeningAddress}.
      - C{message(message, handle)}: it sent a message.  Messages that come
        before anybody observes this, here or in the cluster, wait.
      - C{disconnect()}: its channel is closed.  Exactly once, before C{exit}.
      - C{exit(code, signal)}: its process has ended.  Exactly once.
      - C{error(exception)}: its process could not be started.

    @ivar id: Its number, from 1; never used again.
    @ivar process: Its process.
    """

    _log = Logger()

    def __init__(
        self,
        handle: WorkerHandle,
        correspondence: Correspondence,
        received: Callable[[Worker, list[object], object], None],
    ) -> None:
        """
        @param received: Called with this worker, messages of its that came
            together, and what came along, once they are received.
        """
        super().__init__(EVENTS)
        self._received = received
        self._receiving = False
        self.id = handle.id
        self.process = WorkerProcess(handle)
        self._handle = handle
        self._say = correspondence.say
        self._correspondence = correspondence
        self._online: Occasion[Worker] = Occasion()
        self._listening: Occasion[ListeningAddress] = Occasion()
        self._disconnected: Occasion[Worker] = Occasion()
        self._exited: Occasion[WorkerExit] = Occasion()

    def __repr__(self) -> str:
        return f"<Worker {self.id}, {self.state}>"

    # -- what it is

    @property
    def state(self) -> str:
        """
        C{"none"}, C{"online"}, C{"listening"}, C{"disconnected"} or C{"dead"}.
        """
        if self._exited.isOver:
            return "dead"
        if self._disconnected.isOver:
            return "disconnected"
        if self._listening.isOver:
            return "listening"
        return "online" if self._online.isOver else "none"

    @property
    def exitedAfterDisconnect(self) -> bool | None:
        """
        Whether it leaves, or left, because somebody wanted it to; C{None} while
        it does not leave at all.
        """
        if self._handle.voluntary:
            return True
        return False if self._disconnected.isOver else None

    def isConnected(self) -> bool:
        """
        Whether messages can be sent to it.
        """
        return self.process.connected and not self._disconnected.isOver

    def isDead(self) -> bool:
        """
        Whether its process has ended.
        """
        return self._exited.isOver

    def isBlocked(self) -> bool:
        """
        Whether its reactor has not turned for so long that it gets no connections.
        """
        return self._handle.pulse.isBlocked and self.isConnected()

    # -- what it is asked

    def disconnect(self) -> Deferred[Worker]:
        """
        Ask it to leave: it gets no new connections, closes its ports, finishes
        with its clients, and ends.  Asking twice is asking once.

        @return: Fires when its channel is closed.
        """
        if not self._handle.lifecycle.isLeaving:
            self._handle.leave()
        return self.whenDisconnected()

    def kill(self, signal: str | int = "SIGTERM") -> None:
        """
        Send its process a signal; nothing happens if it has ended.

        @param signal: Its name or its number.

        @raise ConfigurationError: if there is no such signal.
        """
        self.process.kill(signal)

    destroy = kill

    def send(
        self,
        message: object,
        handle: object = None,
        *,
        keepOpen: bool = False,
        unread: bytes = b"",
    ) -> Deferred[None]:
        """
        Send a message, and perhaps a port, a transport or a socket along with
        it; see L{Correspondence.send}.

        @return: Fires when the worker's program was given the message; fails
            with L{ChannelClosed} if the worker is lost before.

        @raise TypeError: if the message cannot be put into bytes.
        """
        if handle is None:
            return self._say(message)
        return self._correspondence.send(
            message, handle, keepOpen=keepOpen, unread=unread
        )

    def ask(self, question: object, timeout: float | None = None) -> Deferred[Any]:
        """
        Send a question.

        @param timeout: Seconds to wait for the answer; C{None} is for ever.

        @return: Fires with the answer; fails with L{AnswerTimeout}, which is a
            L{twisted.internet.defer.TimeoutError}, if there is none in time, with
            L{AnswerFailed} if the worker cannot answer, and with
            L{ChannelClosed} if it is lost before.
        """
        return self._correspondence.ask(question, timeout)

    def answer(self, answerer: Callable[[Any], Any]) -> None:
        """
        Have its questions answered: with what C{answerer} returns, or with what
        a Deferred or a coroutine that it returns comes to.
        """
        self._correspondence.answer(answerer)

    def callRemote(
        self, command: type[Command], **arguments: Any
    ) -> Deferred[dict[str, Any]]:
        """
        Have it respond to an AMP command of the program's own.

        @return: Fires with the response; fails with one of the command's
            declared errors, L{twisted.protocols.amp.RemoteAmpError}, or
            L{ChannelClosed} if the worker is lost before.
        """
        return self._correspondence.callRemote(command, **arguments)

    def addLocator(self, locator: IResponderLocator) -> None:
        """
        Have its commands responded to by C{locator}'s responders, such as a
        L{twisted.protocols.amp.CommandLocator} has.
        """
        self._correspondence.locators.add(locator)

    # -- what becomes of it

    def whenOnline(self) -> Deferred[Worker]:
        """
        @return: Fires when its process has come up; fails if it never does.
        """
        return self._online.when()

    def whenListening(self) -> Deferred[ListeningAddress]:
        """
        @return: Fires when it listens for the first time; fails if it never does.
        """
        return self._listening.when()

    def whenDisconnected(self) -> Deferred[Worker]:
        """
        @return: Fires when its channel is closed.
        """
        return self._disconnected.when()

    def whenExited(self) -> Deferred[WorkerExit]:
        """
        @return: Fires when its process has ended.
        """
        return self._exited.when()

    # -- its messages

    def receiveMessages(self) -> None:
        """
        Somebody wants its messages: those that wait, and all others.
        """
        if not self._receiving:
            self._receiving = True
            self._correspondence.receiveGroups(partial(self._received, self))

    def forgetMessages(self) -> None:
        """
        Nobody is going to want them any more.
        """
        lost = self._correspondence.forget()
        if lost:
            self._log.warn(
                "nobody observed the messages of worker {worker}: the last {lost} are "
                "lost with it",
                worker=self.id,
                lost=lost,
            )

    def _observed(self, name: str) -> None:
        """
        Somebody observes its messages.
        """
        if name == "message":
            self.receiveMessages()

    # -- what its handle reports

    def cameOnline(self) -> None:
        """
        Its process has come up.
        """
        self.process.pid = self._handle.pid
        self._online.happened(self)
        self.emit("online")

    def listens(self, address: ListeningAddress) -> None:
        """
        It listens.
        """
        self._listening.happened(address)
        self.emit("listening", address)

    def failed(self, error: Exception) -> None:
        """
        Its process could not be started.
        """
        self.emit("error", error)

    def wasDisconnected(self) -> None:
        """
        Its channel is closed.
        """
        self._disconnected.happened(self)
        lost = WorkerLost(f"worker {self.id} is gone")
        self._online.willNeverHappen(lost)
        self._listening.willNeverHappen(lost)
        self.emit("disconnect")

    def ended(self, exit: WorkerExit) -> None:
        """
        Its process has ended.
        """
        self.process.exitCode = exit.code
        self.process.signalCode = exit.signal
        self._exited.happened(exit)
        self.emit("exit", exit.code, exit.signal)
