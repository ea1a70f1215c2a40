"""
Worker processes in memory, for tests of what a primary does about them.

Nothing is started.  What the worker at the other end of the channels says, what
it does with connections, and when and how its process ends is for the test to
say; each is a method of L{MemoryProcess} or of its L{ScriptedWorker}.
"""

from __future__ import annotations

import os
import signal as signals
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import count
from typing import Any

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.error import (
    ConnectionLost,
    ProcessDone,
    ProcessExitedAlready,
    ProcessTerminated,
)
from twisted.internet.interfaces import (
    IAddress,
    IProcessProtocol,
    IProcessTransport,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.messaging import MessagingChannel
from twisted_cluster._wire.query import QueryClient
from twisted_cluster._wire.serialization import codecNamed
from twisted_cluster._wire.toprimary import (
    WIRE_VERSION,
    Announce,
    GiveBack,
    LastWords,
    Leaving,
    Listen,
    Running,
    SendOn,
    StartTaking,
    StopTaking,
    Touched,
    listenArguments,
)
from twisted_cluster._wire.toworker import Leave, TakeConnections, Turn
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import ISpawner, WorkerChannels
from twisted_cluster.listening import ListenRequest
from twisted_cluster.settings import WorkerProgram
from twisted_cluster.testing.channels import (
    MemoryAddress,
    MemoryBlockingChannel,
    connectedChannels,
)


@define(eq=False)
class HandedOff:
    """
    Connections that a worker was sent and has not answered for.

    @ivar loan: The port that they are for.
    @ivar inodes: Which connections.
    @ivar descriptors: The worker's descriptors of them.
    @ivar answer: What the primary waits for.
    """

    loan: int
    inodes: Sequence[int]
    descriptors: list[int]
    answer: Deferred[dict[str, Any]]


class _Handoffs(Channel):
    """
    The worker's side of the hand-off channel.

    @ivar handedOff: What it was sent and has not answered for, the oldest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.handedOff: deque[HandedOff] = deque()

    @responds(TakeConnections)
    def takeConnections(
        self,
        loan: int,
        inodes: Sequence[int],
        descriptors: list[int],
        insured: bool | None,
    ) -> Deferred[dict[str, Any]]:
        """
        Keep connections until the test answers for them.
        """
        answer: Deferred[dict[str, Any]] = Deferred()
        self.handedOff.append(HandedOff(loan, inodes, descriptors, answer))
        return answer


class ScriptedWorker(MessagingChannel):
    """
    The worker's side of the channels.

    Everything it says has reached the primary when its method returns.

    @ivar isBlocked: Whether its reactor does not turn: it reads nothing, and answers
        nothing.
    @ivar served: Its descriptors of the connections that it took.
    @ivar timesAskedToLeave: How often the primary has asked it to leave.
    """

    def __init__(
        self,
        channels: WorkerChannels,
        serialization: str = "json",
    ) -> None:
        """
        @param channels: The primary's ends.
        @param serialization: How its messages become bytes.
        """
        super().__init__(codecNamed(serialization))
        self.timesAskedToLeave = 0
        self.isBlocked = False
        self.served: list[int] = []
        self._handoffs = _Handoffs()
        self._stream = connectedChannels(channels.stream, self)
        self._handoff = connectedChannels(channels.handoff, self._handoffs)
        self._blocking = MemoryBlockingChannel(channels.query)
        self._query = QueryClient(self._blocking)

    @property
    def handedOff(self) -> deque[HandedOff]:
        """
        What it was sent and has not answered for, the oldest first.
        """
        return self._handoffs.handedOff

    # -- what it says

    def announce(self, wireVersion: int = WIRE_VERSION) -> dict[str, Any]:
        """
        Its process has come up.

        @return: The arguments of the primary's answer.
        """
        return self._query.ask(Announce, wireVersion=wireVersion)

    def run(self) -> None:
        """
        Its program's reactor runs.
        """
        self._tell(Running)

    def comeUp(self) -> None:
        """
        Its process comes up, and its program runs.
        """
        self.announce()
        self.run()

    def listen(self, request: ListenRequest) -> dict[str, Any]:
        """
        Ask for a port, and close the descriptor that comes with it.

        @return: The arguments of the primary's answer.
        """
        answer = self._query.ask(Listen, **listenArguments(request))
        for descriptor in answer["descriptors"] or ():
            os.close(descriptor)
        return answer

    def serve(self, request: ListenRequest) -> int:
        """
        Ask for a port, and welcome its connections.

        @return: The loan's number.
        """
        loan: int = self.listen(request)["loan"]
        self.startTaking(loan)
        return loan

    def sendOn(self, loan: int) -> None:
        """
        It sends a port to another process.
        """
        self._query.ask(SendOn, loan=loan)

    def giveBack(self, loan: int, *, leaving: bool = False) -> None:
        """
        It closed a port.
        """
        self._query.ask(GiveBack, loan=loan, leaving=leaving)

    def startTaking(self, loan: int) -> None:
        """
        It welcomes connections.
        """
        self._handoffs.tell(StartTaking, loan=loan)
        self.deliver()

    def stopTaking(self, loan: int) -> None:
        """
        It wants no connections for now.
        """
        self._handoffs.tell(StopTaking, loan=loan)
        self.deliver()

    def touch(self, inodes: Sequence[int]) -> None:
        """
        It is about to read or write the first byte of insured connections.
        """
        self._handoffs.tell(Touched, inodes=inodes)
        self.deliver()

    def leaveItself(self) -> None:
        """
        It says that it leaves of its own free will, and closes its end of the
        stream channel.
        """
        self._tell(Leaving)
        self.hangUp()

    def sayLastWords(self) -> bool:
        """
        It is about to end, and waits for its messages to be received.

        @return: Whether there is nothing to wait for any more: all that it said is
            received, or nobody wants it.
        """
        answers: list[dict[str, Any]] = []
        self.callRemote(LastWords, **self.said).addCallbacks(
            answers.append, lambda failure: failure.trap(ChannelClosed)
        )
        self.deliver()
        return bool(answers)

    def hangUp(self) -> None:
        """
        It closes its end of the stream channel, and says nothing more.
        """
        self.transport.loseConnection()
        self.deliver()

    def _tell(self, command: Any, **arguments: Any) -> None:
        """
        Say something on the stream channel.
        """
        self.tell(command, **arguments)
        self.deliver()

    # -- what it is sent

    @responds(Turn)
    def _turn(self) -> dict[str, Any]:
        """
        Its reactor turns.
        """
        return {}

    @responds(Leave)
    def _leave(self) -> dict[str, Any]:
        """
        Count; what it does about it is for the test to say.
        """
        self.timesAskedToLeave += 1
        return {}

    def take(self, refused: Collection[int] = ()) -> list[int]:
        """
        Take the oldest that it was sent, all but those at these positions.

        @return: The inodes of the connections that it took.
        """
        message = self.handedOff.popleft()
        taken = []
        for position, descriptor in enumerate(message.descriptors):
            if position in refused:
                os.close(descriptor)
            else:
                self.served.append(descriptor)
                taken.append(message.inodes[position])
        message.answer.callback({"refused": sorted(refused)})
        self.deliver()
        return taken

    def deliver(self) -> None:
        """
        Let everything arrive that is on its way, in both directions.  While it is
        blocked, nothing does.
        """
        if not self.isBlocked:
            self._stream.flush()
            self._handoff.flush()
            self._blocking.pump.flush()

    def finish(self) -> None:
        """
        Let the primary close the hand-off channel, if it asked for that.
        """
        if self._handoff.first.disconnecting:
            self._handoff.flush()

    def closeAll(self) -> None:
        """
        Close the channels and every connection, as the end of a process does.  The
        primary holds the other end of the hand-off channel itself, and is not told.
        """
        for message in self.handedOff:
            for descriptor in message.descriptors:
                os.close(descriptor)
        self.handedOff.clear()
        self._handoff.second.close(Failure(ConnectionLost()))
        for descriptor in self.served:
            os.close(descriptor)
        self.served.clear()
        self._stream.lose()
        self._blocking.pump.lose()
        self.finish()


@implementer(IProcessTransport)
class MemoryProcess:
    """
    A worker's process.

    @ivar pid: Its number; C{None} once it has ended.
    @ivar program: What it was to run.
    @ivar workerID: The number that it was given.
    @ivar worker: The worker in it.
    @ivar signals: The names of the signals that it was sent, without C{SIG}.
    """

    pid: int | None

    def __init__(
        self,
        pid: int,
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        worker: ScriptedWorker,
    ) -> None:
        self.pid = pid
        self.program = program
        self.workerID = workerID
        self.worker = worker
        self.signals: list[str] = []
        self._process = process

    # -- what the test has it do

    def say(self, data: bytes, descriptor: int = 1) -> None:
        """
        Write to its standard output, or error.
        """
        self._process.childDataReceived(descriptor, data)

    def loseChannels(self) -> None:
        """
        Its channels are closed, before its end or, as its kernel does it,
        with its end.
        """
        self.worker.closeAll()

    def exit(self, code: int = 0, signal: str | int | None = None) -> None:
        """
        It ends; that its channels closed is known later, by L{loseChannels}.

        @param signal: The name of the signal that ended it, such as C{SIGKILL}, or
            its number, if one did.
        """
        reason: Exception
        if signal is not None:
            if isinstance(signal, str):
                signal = signals.Signals[signal].value
            reason = ProcessTerminated(signal=signal)
        elif code:
            reason = ProcessTerminated(exitCode=code)
        else:
            reason = ProcessDone(0)
        self.pid = None
        self._process.processExited(Failure(reason))
        self.worker.finish()
        for descriptor in (1, 2):
            self._process.childConnectionLost(descriptor)
        self._process.processEnded(Failure(reason))

    def end(self, code: int = 0, signal: str | int | None = None) -> None:
        """
        Its channels close, and it ends.
        """
        self.loseChannels()
        self.exit(code, signal)

    # -- what the primary does

    def signalProcess(self, signalID: str | int) -> None:
        """
        Keep a signal; what it does is for the test to say.

        @raise ProcessExitedAlready: if it has ended.
        """
        if self.pid is None:
            raise ProcessExitedAlready
        if isinstance(signalID, int):
            signalID = signals.Signals(signalID).name.removeprefix("SIG")
        self.signals.append(signalID)

    def closeStdin(self) -> None:
        """
        It has none.
        """

    def closeStdout(self) -> None:
        """
        It keeps its own.
        """

    def closeStderr(self) -> None:
        """
        It keeps its own.
        """

    def closeChildFD(self, descriptor: int) -> None:
        """
        It keeps its own.
        """

    def write(self, data: bytes) -> None:
        """
        It reads nothing.
        """

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        It reads nothing.
        """

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        It reads nothing.
        """

    def loseConnection(self) -> None:
        """
        It keeps its own.
        """

    def getHost(self) -> IAddress:
        """
        No address.
        """
        return MemoryAddress()

    getPeer = getHost


@implementer(ISpawner)
class MemorySpawner:
    """
    Starts processes in memory.

    @ivar processes: Those that were started, in order, with those that ended.
    """

    def __init__(self) -> None:
        self.processes: list[MemoryProcess] = []
        self._failures: deque[int] = deque()
        self._pids = count(1001)

    @property
    def living(self) -> list[MemoryProcess]:
        """
        The processes that have not ended.
        """
        return [process for process in self.processes if process.pid is not None]

    def failNext(self, number: int) -> None:
        """
        Have the next process not start, with this error number.
        """
        self._failures.append(number)

    def spawn(
        self,
        process: IProcessProtocol,
        program: WorkerProgram,
        workerID: int,
        channels: WorkerChannels,
    ) -> dict[int, ITCPTransport]:
        """
        Start a process in memory.

        @return: Nothing: it has no pipes beyond standard error.

        @raise OSError: if the test wants it so.
        """
        if self._failures:
            number = self._failures.popleft()
            raise OSError(number, os.strerror(number))
        started = MemoryProcess(
            next(self._pids),
            process,
            program,
            workerID,
            ScriptedWorker(channels, program.serialization),
        )
        self.processes.append(started)
        process.makeConnection(started)
        return {}

    def close(self) -> None:
        """
        Close every descriptor that the workers hold; for a test's clean-up.
        """
        for process in self.processes:
            process.worker.closeAll()
