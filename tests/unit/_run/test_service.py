"""
Tests of L{twisted_cluster._run.service}.
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.error import ProcessDone
from twisted.internet.interfaces import IProcessProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._reactor.signals import SAME_REQUEST
from twisted_cluster._run import exiting
from twisted_cluster._run.service import ClusterService
from twisted_cluster._wire.boxes import serialize
from twisted_cluster._wire.toprimary import WIRE_VERSION, Running
from twisted_cluster.errors import ListenRefused
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.settings import ClusterSettings, WorkerProgram


class StartedProcess:
    """
    A process that the reactor started.

    @ivar signals: The names of those that it was sent.
    @ivar pid: Its number.
    """

    pid = 4242

    def __init__(
        self, protocol: IProcessProtocol, channels: list[int], clock: Clock
    ) -> None:
        self.protocol: Any = protocol
        self.clock = clock
        self.signals: list[str] = []
        self._channels = channels

    def signalProcess(self, number: int) -> None:
        """
        Keep its name.
        """
        self.signals.append(signal.Signals(number).name)

    def end(self) -> None:
        """
        End, in order.
        """
        self.close()
        self.protocol.processExited(Failure(ProcessDone(0)))
        self.clock.advance(0)

    def close(self) -> None:
        """
        Close its ends of the channels.
        """
        for channel in self._channels:
            os.close(channel)
        self._channels = []

    def announce(self) -> None:
        """
        Say that it came up.
        """
        box = {
            b"_command": b"Announce",
            b"_ask": b"1",
            b"wireVersion": b"%d" % WIRE_VERSION,
        }
        os.write(self._channels[1], serialize(box))

    def run(self) -> None:
        """
        Say that it runs.
        """
        os.write(self._channels[0], serialize({b"_command": Running.commandName}))


class ProcessReactor(MemoryReactorClock):
    """
    A reactor in memory that starts processes in memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[StartedProcess] = []
        self.stopped = 0

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: str,
        args: list[str],
        childFDs: Mapping[int, int | str],
        **kwargs: Any,
    ) -> None:
        """
        Start one; its channels are real.
        """
        channels = [os.dup(int(childFDs[number])) for number in (3, 4, 5)]
        process = StartedProcess(processProtocol, channels, self)
        self.processes.append(process)
        processProtocol.makeConnection(process)  # type: ignore[arg-type]

    def callFromThread(
        self, callable: Callable[..., object], *args: object, **kwargs: object
    ) -> None:
        """
        Call it.
        """
        callable(*args, **kwargs)

    def stop(self) -> None:
        """
        Count it.
        """
        self.stopped += 1

    def turn(self) -> None:
        """
        Read what there is to read.
        """
        for reader in sorted(self.getReaders(), key=lambda reader: reader.fileno()):
            lost = reader.doRead()
            if lost is not None:
                reader.connectionLost(Failure(lost))


class ServiceTests(SynchronousTestCase):
    """
    Tests of L{ClusterService}.
    """

    def setUp(self) -> None:
        """
        Make a service.
        """
        self.reactor = ProcessReactor()
        self.addCleanup(self._cleanUp)
        self.binding = ListenRequest(kind=PortKind.TCP, interface="127.0.0.1")
        self.service = self.makeService()

    def makeService(self, *bindings: ListenRequest) -> ClusterService:
        """
        Make a service that opens these ports early.
        """
        settings = ClusterSettings(
            program=WorkerProgram(arguments=(), environment={}), workers=2
        )
        return ClusterService(settings, bindings, self.reactor)

    def _cleanUp(self) -> None:
        """
        Close all descriptors, and leave this process's end as it was.
        """
        for process in self.reactor.processes:
            process.close()
        # What is being closed is closed in the next turn.
        self.reactor.advance(0)
        for open_ in {*self.reactor.getReaders(), *self.reactor.getWriters()}:
            open_.connectionLost(Failure(ProcessDone(0)))
        atexit.unregister(exiting._endWith)

    def listening(self) -> list[Any]:
        """
        The ports that are open.
        """
        return [r for r in self.reactor.getReaders() if hasattr(r, "boundAddress")]

    def start(self) -> list[StartedProcess]:
        """
        Start the service, and have its first worker run.
        """
        self.service.privilegedStartService()
        self.service.startService()
        self.reactor.processes[0].announce()
        self.reactor.turn()
        self.reactor.processes[0].run()
        self.reactor.turn()
        self.assertEqual(len(self.reactor.processes), 2)
        return self.reactor.processes

    def test_nothingBefore(self) -> None:
        """
        Nothing listens and nothing runs before it is started.
        """
        self.service = self.makeService(self.binding)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.processes, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_privileged(self) -> None:
        """
        Its first step opens the early ports, and starts nothing; its second
        opens none again.
        """
        self.service = self.makeService(self.binding)
        self.service.privilegedStartService()
        self.assertEqual(len(self.listening()), 1)
        self.assertEqual(self.reactor.processes, [])
        self.service.startService()
        self.assertEqual(len(self.listening()), 1)
        self.assertEqual(len(self.reactor.processes), 1)

    def test_oneStep(self) -> None:
        """
        It can be started in one step.
        """
        self.service = self.makeService(self.binding)
        self.service.startService()
        self.assertEqual(len(self.listening()), 1)
        self.assertEqual(len(self.reactor.processes), 1)

    def test_early(self) -> None:
        """
        An early port accepts clients who come before any worker.
        """
        self.service = self.makeService(self.binding)
        self.service.privilegedStartService()
        [port] = self.listening()
        with socket.create_connection(port.boundAddress, timeout=10):
            pass

    def test_refused(self) -> None:
        """
        An early port that cannot be had is an error at the start, which names
        the port.
        """
        with socket.create_server(("127.0.0.1", 0)) as other:
            number = other.getsockname()[1]
            self.service = self.makeService(
                ListenRequest(kind=PortKind.TCP, interface="127.0.0.1", port=number)
            )
            refused = self.assertRaises(
                ListenRefused, self.service.privilegedStartService
            )
        self.assertEqual(refused.errno, errno.EADDRINUSE)
        self.assertIn(f"tcp 127.0.0.1:{number}", str(refused))
        self.assertEqual(self.reactor.processes, [])

    def test_stop(self) -> None:
        """
        The ports close at once, so that nobody connects who would not be served;
        it has stopped when the last worker is gone.
        """
        self.service = self.makeService(self.binding)
        first, second = self.start()
        self.assertEqual(len(self.listening()), 1)
        stopped = self.service.stopService()
        self.assertEqual(self.listening(), [])
        first.end()
        self.assertNoResult(stopped)
        second.end()
        self.successResultOf(stopped)
        self.assertEqual((first.signals, second.signals), (["SIGTERM"], ["SIGTERM"]))

    def test_again(self) -> None:
        """
        It can be started again after it was stopped.
        """
        self.service = self.makeService(self.binding)
        for process in self.start():
            process.end()
        self.successResultOf(self.service.stopService())
        self.service.startService()
        self.assertEqual(len(self.listening()), 1)
        self.assertEqual(len(self.reactor.processes), 3)

    def test_gaveUp(self) -> None:
        """
        A program that cannot be started ends the process, with a status that
        says so.
        """
        self.service.startService()
        self.reactor.processes[0].end()
        self.assertEqual(self.reactor.stopped, 0)
        for function, positional, named in self.reactor.whenRunningHooks:
            function(*positional, **named)
        self.assertEqual(self.reactor.stopped, 1)
        self.successResultOf(self.service.stopService())

    def interruptible(self) -> None:
        """
        Have SIGINT do nothing, until the test is over.
        """
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        self.addCleanup(signal.signal, signal.SIGINT, before)

    def test_askedAgain(self) -> None:
        """
        Asked to stop a second time, it waits for its workers no longer; but
        the same request may come twice.
        """
        self.interruptible()
        first, second = self.start()
        self.service.stopService()
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(first.signals, ["SIGTERM"])
        self.reactor.advance(SAME_REQUEST)
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(first.signals, ["SIGTERM", "SIGKILL"])
        self.assertEqual(second.signals, ["SIGTERM", "SIGKILL"])
        first.end()
        second.end()

    def test_signalsAfterwards(self) -> None:
        """
        When it has stopped, signals mean again what they did: the process may
        go on without it.
        """
        self.interruptible()
        before = signal.getsignal(signal.SIGINT)
        processes = self.start()
        stopped = self.service.stopService()
        self.assertIsNot(signal.getsignal(signal.SIGINT), before)
        for process in processes:
            process.end()
        self.successResultOf(stopped)
        self.assertIs(signal.getsignal(signal.SIGINT), before)
