"""
Tests of L{twisted_cluster.testing.processes}.
"""

from __future__ import annotations

import errno
import os
from signal import SIGHUP
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_cluster._wire.channel import Channel, responds
from twisted_cluster._wire.toprimary import Announce, Running
from twisted_cluster._wire.toworker import TakeConnections
from twisted_cluster.errors import ChannelClosed
from twisted_cluster.interfaces import ISpawner, WorkerChannels
from twisted_cluster.settings import WorkerProgram
from twisted_cluster.testing.ports import MemoryClient
from twisted_cluster.testing.processes import MemoryProcess, MemorySpawner

PROGRAM = WorkerProgram(arguments=("site.py",), environment={})


class Ends(Channel):
    """
    Any of a primary's ends.

    @ivar heard: What the worker said, and the end of the channel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []

    @responds(Announce)
    def announce(self, wireVersion: int) -> dict[str, Any]:
        """
        Answer with another version.
        """
        self.heard.append(wireVersion)
        return {
            "wireVersion": wireVersion + 1,
            "worker": 7,
            "serialization": "json",
        }

    @responds(Running)
    def running(self) -> dict[str, Any]:
        """
        Keep it.
        """
        self.heard.append("running")
        return {}

    def channelLost(self, reason: Failure) -> None:
        """
        Keep it.
        """
        self.heard.append("lost")


class Watching(ProcessProtocol):
    """
    Keeps what happens to a process.
    """

    def __init__(self) -> None:
        self.seen: list[object] = []

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Keep it.
        """
        self.seen.append((childFD, data))

    def processExited(self, reason: Failure) -> None:
        """
        Keep it.
        """
        self.seen.append(reason.value)

    def processEnded(self, reason: Failure) -> None:
        """
        Keep it.
        """
        self.seen.append("ended")


class ProcessTests(SynchronousTestCase):
    """
    Tests of L{MemorySpawner} and what it makes.
    """

    def setUp(self) -> None:
        """
        Make a spawner.
        """
        self.spawner = MemorySpawner()
        self.addCleanup(self.spawner.close)
        self.protocol = Watching()
        self.stream, self.query, self.handoff = Ends(), Ends(), Ends()

    def spawn(self) -> MemoryProcess:
        """
        Start a process.
        """
        channels = WorkerChannels(self.stream, self.query, self.handoff)
        self.spawner.spawn(self.protocol, PROGRAM, 7, channels)
        return self.spawner.processes[-1]

    def test_interfaces(self) -> None:
        """
        They are what they say they are.
        """
        verifyObject(ISpawner, self.spawner)
        verifyObject(IProcessTransport, self.spawn())

    def test_spawn(self) -> None:
        """
        The process is connected to its protocol, and its channels are open.
        """
        process = self.spawn()
        self.assertIs(self.protocol.transport, process)
        self.assertEqual((process.workerID, process.program), (7, PROGRAM))
        self.assertTrue(self.stream.connected)
        self.assertTrue(self.query.connected)
        self.assertTrue(self.handoff.connected)
        self.assertEqual(self.spawner.living, [process])

    def test_failNext(self) -> None:
        """
        The test can have a process not start; then nothing is connected.
        """
        self.spawner.failNext(errno.EAGAIN)
        problem = self.assertRaises(OSError, self.spawn)
        self.assertEqual(problem.errno, errno.EAGAIN)
        self.assertFalse(self.stream.connected)
        self.assertIsNone(self.protocol.transport)

    def test_says(self) -> None:
        """
        What its worker says has been heard when the method returns.
        """
        process = self.spawn()
        self.assertEqual(
            process.worker.announce(3),
            {"wireVersion": 4, "worker": 7, "serialization": "json", "pipes": None},
        )
        process.worker.run()
        process.say(b"words", 2)
        self.assertEqual((self.query.heard, self.stream.heard), ([3], ["running"]))
        self.assertEqual(self.protocol.seen, [(2, b"words")])

    def test_exit(self) -> None:
        """
        It ends as the test says, once its protocol is told; then it cannot be
        signalled.
        """
        for code, signal, kind in (
            (0, None, ProcessDone),
            (3, None, ProcessTerminated),
            (0, "SIGKILL", ProcessTerminated),
        ):
            process = self.spawn()
            process.signalProcess("TERM")
            process.signalProcess(SIGHUP)
            self.assertEqual(process.signals, ["TERM", "HUP"])
            process.exit(code, signal)
            reason, ended = self.protocol.seen[-2:]
            self.assertIsInstance(reason, kind)
            self.assertEqual(ended, "ended")
            self.assertRaises(ProcessExitedAlready, process.signalProcess, "TERM")
        self.assertEqual(self.spawner.living, [])

    def test_loseChannels(self) -> None:
        """
        Its channels can be lost before it ends, with all connections that it
        was sent.  That of the hand-off channel is not told: the primary closes it
        itself, and can take back what was not read.
        """
        process = self.spawn()
        clients = [MemoryClient(), MemoryClient()]
        answers = []
        for client in clients:
            self.addCleanup(client.close)
            connection = client.accept()
            answers.append(
                self.handoff.callRemote(
                    TakeConnections,
                    loan=5,
                    inodes=[connection.inode],
                    descriptors=[connection.descriptor],
                )
            )
            process.worker.deliver()
            os.close(connection.descriptor)
        process.worker.take()
        self.assertEqual(list(self.successResultOf(answers[0])["refused"]), [])
        process.loseChannels()
        self.assertEqual(self.stream.heard, ["lost"])
        self.assertEqual(self.query.heard, ["lost"])
        self.assertEqual(self.handoff.heard, [])
        self.assertNoResult(answers[1])
        self.handoff.transport.loseConnection()
        process.worker.finish()
        self.failureResultOf(answers[1], ChannelClosed)
        self.assertEqual(self.handoff.heard, ["lost"])
        self.assertEqual([client.isServed for client in clients], [False, False])
