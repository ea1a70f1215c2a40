"""
Tests of L{twisted_cluster._reactor.spawning}.
"""

from __future__ import annotations

import errno
import os
import pwd
import socket
import sys
from typing import Any

from twisted.internet.error import ProcessDone
from twisted.internet.process import reapAllProcesses
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.unit.realreactor import (
    DescriptorsCountedTestCase,
    RealReactorTestCase,
    openDescriptors,
)
from tests.unit.testing.descriptortransports import Recorder, inode
from twisted_cluster._reactor import spawning
from twisted_cluster._reactor.descriptortransport import DescriptorTransport
from twisted_cluster._reactor.handofftransport import HandoffTransport
from twisted_cluster._reactor.spawning import (
    CHANNELS_VARIABLE,
    WORKER_VARIABLE,
    Spawner,
)
from twisted_cluster.interfaces import ISpawner, WorkerChannels
from twisted_cluster.settings import WorkerProgram


class Adopted:
    """
    A connection that was adopted.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def abortConnection(self) -> None:
        """
        Close it.
        """
        self._connection.close()


class SpawningReactor(MemoryReactorClock):
    """
    Keeps what it was asked to start, and what the process would have inherited.

    @ivar error: What starting a process raises.
    @ivar started: The process protocol, the positional arguments, the named
        ones.
    @ivar inherited: By the number in the process, duplicates of descriptors.
    @ivar canAdopt: Whether it has a descriptor for a connection.
    @ivar adopted: How many it was given.
    """

    error: Exception | None = None
    canAdopt = True
    adopted = 0

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = []
        self.inherited: dict[int, int] = {}

    def spawnProcess(self, process: Any, *args: Any, **kwargs: Any) -> None:
        """
        Keep it.
        """
        if self.error is not None:
            raise self.error
        self.started.append((process, args, kwargs))
        for number, source in kwargs["childFDs"].items():
            if isinstance(source, int):
                self.inherited[number] = os.dup(source)

    def adoptStreamConnection(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> Any:
        """
        Duplicate it, as reactors do.
        """
        if not self.canAdopt:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.adopted += 1
        return Adopted(socket.socket(fileno=os.dup(fileDescriptor)))


class SpawnerTests(DescriptorsCountedTestCase):
    """
    Tests of L{Spawner} with a reactor that starts nothing.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        super().setUp()
        self.reactor = SpawningReactor()
        self.spawner = Spawner(self.reactor)
        self.stream, self.query, self.handoff = Recorder(), Recorder(), Recorder()
        self.channels = WorkerChannels(self.stream, self.query, self.handoff)
        self.process = ProcessProtocol()
        self.addCleanup(self._close)

    def _close(self) -> None:
        """
        Close both ends of the channels.
        """
        for descriptor in self.reactor.inherited.values():
            os.close(descriptor)
        for transport in list(self.reactor.readers):
            transport.connectionLost(Failure(ConnectionError()))

    def spawn(self, **settings: Any) -> dict[str, Any]:
        """
        Start worker 7.

        @return: The named arguments of C{spawnProcess}.
        """
        settings = {
            "arguments": ("-m", "bootstrap"),
            "environment": {"HOME": "/", WORKER_VARIABLE: "6"},
            **settings,
        }
        program = WorkerProgram(**settings)
        self.spawner.spawn(self.process, program, 7, self.channels)
        [(_, args, kwargs)] = self.reactor.started
        self.assertEqual(
            args, (sys.executable, [sys.executable, *settings["arguments"]])
        )
        return kwargs

    def test_inherited(self) -> None:
        """
        What workers are to have under the same number they have, with a
        description; their channels come behind it.
        """
        self.spawner = Spawner(self.reactor, [3, 4])
        # Whatever these are here.
        for _ in range(2):
            self.addCleanup(os.close, os.open(os.devnull, os.O_RDONLY))
        kwargs = self.spawn()
        childFDs, environment = kwargs["childFDs"], kwargs["env"]
        self.assertEqual((childFDs[3], childFDs[4]), (3, 4))
        self.assertEqual(environment[CHANNELS_VARIABLE], "5,6,7")
        self.assertEqual(environment["LISTEN_FDS"], "2")
        self.assertEqual(environment["LISTEN_PID"], str(os.getpid()))

    def test_inheritedOrStreams(self) -> None:
        """
        More streams than three have the numbers for themselves.
        """
        self.spawner = Spawner(self.reactor, [3])
        kwargs = self.spawn(stdio=("ignore",) * 4)
        self.assertNotEqual(kwargs["childFDs"][3], 3)
        self.assertNotIn("LISTEN_FDS", kwargs["env"])

    def test_interface(self) -> None:
        """
        It provides the primary's way to processes.
        """
        verifyObject(ISpawner, self.spawner)

    def test_environment(self) -> None:
        """
        The process is told its number and where its channels are, besides what
        the program says; the program's own record is left alone.
        """
        environment = {"HOME": "/", WORKER_VARIABLE: "6"}
        kwargs = self.spawn(environment=environment)
        self.assertEqual(
            kwargs["env"],
            {"HOME": "/", WORKER_VARIABLE: "7", CHANNELS_VARIABLE: "3,4,5"},
        )
        self.assertEqual(environment, {"HOME": "/", WORKER_VARIABLE: "6"})

    def test_surroundings(self) -> None:
        """
        Directory, user and group are the program's.
        """
        kwargs = self.spawn(cwd="/tmp", uid=1, gid=2)
        self.assertEqual((kwargs["path"], kwargs["uid"], kwargs["gid"]), ("/tmp", 1, 2))

    def test_noDirectory(self) -> None:
        """
        Where there is no directory to start in nothing is started, and it is said.
        """
        missing = self.mktemp()
        problem = self.assertRaises(FileNotFoundError, self.spawn, cwd=missing)
        self.assertEqual(problem.filename, missing)
        self.assertRaises(NotADirectoryError, self.spawn, cwd=__file__)
        self.assertEqual(self.reactor.started, [])

    def test_noDescriptor(self) -> None:
        """
        Nor with a stream that is not open; it is told which.
        """
        number = os.dup(0)
        os.close(number)
        problem = self.assertRaises(
            OSError, self.spawn, stdio=("inherit", "inherit", number)
        )
        self.assertEqual(problem.errno, errno.EBADF)
        self.assertIn(f"descriptor {number}", str(problem))
        self.assertEqual(self.reactor.started, [])

    def test_noUser(self) -> None:
        """
        Nor for a user that nobody knows.
        """
        uid = 1 + max(user.pw_uid for user in pwd.getpwall() if user.pw_uid < 60_000)
        problem = self.assertRaises(OSError, self.spawn, uid=uid)
        self.assertIn(str(uid), str(problem))
        self.assertEqual(self.reactor.started, [])

    def test_readOutput(self) -> None:
        """
        The primary reads what the process writes; and it has nothing to read.
        """
        fds = self.spawn()["childFDs"]
        self.assertEqual((fds[1], fds[2]), ("r", "r"))
        self.assertEqual(set(fds), {0, 1, 2, 3, 4, 5})
        self.assertEqual(os.read(self.reactor.inherited[0], 1), b"")

    def test_inherit(self) -> None:
        """
        Or the process reads and writes where the primary does.
        """
        fds = self.spawn(stdio=("inherit",) * 3)["childFDs"]
        self.assertEqual((fds[0], fds[1], fds[2]), (0, 1, 2))

    def test_pipes(self) -> None:
        """
        Each stream has its own direction: the primary writes what the process
        reads.
        """
        fds = self.spawn(stdio=("pipe", "ignore", "pipe"))["childFDs"]
        self.assertEqual((fds[0], fds[2]), ("w", "r"))
        self.assertTrue(
            os.path.samestat(os.fstat(self.reactor.inherited[1]), os.stat(os.devnull))
        )

    def test_end(self) -> None:
        """
        What happens to the process is told at once, but not its end: that is told in
        a later turn of the reactor, as it can be found while the process is started,
        or while the reactor is.
        """
        told: list[object] = []

        class Telling(ProcessProtocol):
            def connectionMade(self) -> None:
                told.append(self.transport)

            def childDataReceived(self, *what: object) -> None:
                told.append(what)

            def childConnectionLost(self, childFD: int) -> None:
                told.append(childFD)

            def processExited(self, reason: Failure) -> None:
                told.append(("exited", reason))

            def processEnded(self, reason: Failure) -> None:
                told.append(("ended", reason))

        self.process = Telling()
        self.spawn()
        [(process, _, _)] = self.reactor.started
        started, reason = object(), Failure(ProcessDone(0))
        process.makeConnection(started)
        process.processExited(reason)
        process.childDataReceived(1, b"data")
        process.childConnectionLost(1)
        process.processEnded(reason)
        self.assertEqual(told, [started, (1, b"data"), 1])
        self.reactor.advance(0)
        self.assertEqual(told[3:], [("exited", reason), ("ended", reason)])

    def test_channels(self) -> None:
        """
        The channels are connected, and the primary keeps its own ends only, except
        that it can take back what the worker has not read of the last.
        """
        self.spawn()
        for number, protocol in (
            (3, self.stream),
            (4, self.query),
            (5, self.handoff),
        ):
            theirs = socket.socket(fileno=os.dup(self.reactor.inherited[number]))
            with theirs:
                theirs.sendall(b"up")
                transport = protocol.transport
                assert isinstance(transport, DescriptorTransport)
                self.assertIn(transport, self.reactor.readers)
                transport.doRead()
                protocol.transport.write(b"down")
                self.assertEqual((protocol.data, theirs.recv(9)), (b"up", b"down"))
        self.assertEqual(len(self.reactor.readers), 3)
        handoff = self.handoff.transport
        assert isinstance(handoff, HandoffTransport)
        handoff.write(b"unread")
        self.assertEqual(handoff.takeBack(), [b"unread"])

    def assertFails(self, error: type[Exception]) -> None:
        """
        Nothing is started, and nothing connected.
        """
        with self.assertRaises(error):
            self.spawn()
        for protocol in (self.stream, self.query, self.handoff):
            self.assertFalse(protocol.connected)
            self.assertEqual(protocol.reasons, [])
        self.assertEqual(self.reactor.readers, set())

    def test_noProcess(self) -> None:
        """
        If no process can be started nothing is left.
        """
        self.reactor.error = BlockingIOError("no more processes")
        self.assertFails(BlockingIOError)

    def test_noProcessForPipes(self) -> None:
        """
        Nor of pipes that lead both ways.
        """
        before = openDescriptors()
        self.reactor.error = BlockingIOError("no more processes")
        with self.assertRaises(BlockingIOError):
            self.spawn(stdio=("ignore", "ignore", "ignore", "pipe"))
        self.assertEqual(self.reactor.adopted, 1)
        self.assertEqual(openDescriptors(), before)

    def test_noPipe(self) -> None:
        """
        If such a pipe cannot be had no process is started.
        """
        before = openDescriptors()
        self.reactor.canAdopt = False
        with self.assertRaises(OSError):
            self.spawn(stdio=("ignore", "ignore", "ignore", "pipe"))
        self.assertEqual(self.reactor.started, [])
        self.assertEqual(openDescriptors(), before)

    def test_noSecondChannel(self) -> None:
        """
        Nor if there is no descriptor left for the second channel.
        """
        pairs = [socket.socketpair()]

        class FullSocket:
            @staticmethod
            def socketpair() -> tuple[socket.socket, socket.socket]:
                if not pairs:
                    raise OSError("no more descriptors")
                return pairs.pop()

        kept = pairs[0]
        self.patch(spawning, "socket", FullSocket)
        self.assertFails(OSError)
        self.assertEqual([end.fileno() for end in kept], [-1, -1])

    def test_noThirdChannel(self) -> None:
        """
        Nor for the third; what was opened for the others is closed, as the count
        of descriptors shows.
        """

        def noPair() -> tuple[socket.socket, socket.socket]:
            raise OSError("no more descriptors")

        self.patch(spawning, "handoffPair", noPair)
        before = openDescriptors()
        self.assertFails(OSError)
        self.assertEqual(openDescriptors(), before)


CHILD = f"""
import os, socket, stat, sys
channels = os.environ[{CHANNELS_VARIABLE!r}].split(",")
stream, query, handoff = (socket.socket(fileno=int(number)) for number in channels)
query.sendall(os.environ[{WORKER_VARIABLE!r}].encode())
handoff.send(handoff.recv(100))
open_ = [n for n in range(6, 256) if os.path.exists(f"/dev/fd/{{n}}")]
data, [sent], _, _ = socket.recv_fds(stream, 100, 1)
stream.sendall(f"{{open_}} {{sys.stdin.read()!r}} {{os.fstat(sent).st_ino}}".encode())
print("out", end="")
print("err", end="", file=sys.stderr)
"""


class Watcher(ProcessProtocol):
    """
    Keeps what a process says and how it ends.
    """

    def __init__(self) -> None:
        self.said: dict[int, bytes] = {}
        self.ended: Failure | None = None

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Keep it.
        """
        self.said[childFD] = self.said.get(childFD, b"") + data

    def processEnded(self, reason: Failure) -> None:
        """
        Keep it.
        """
        self.ended = reason


class RealSpawnerTests(RealReactorTestCase):
    """
    L{Spawner} and a real process.
    """

    def test_process(self) -> None:
        """
        The process has its channels, its number, no other descriptors of the
        primary's, nothing to read; and a descriptor reaches it.
        """
        stream, query, handoff = Recorder(), Recorder(), Recorder()
        process = Watcher()
        program = WorkerProgram(arguments=("-c", CHILD), environment=os.environ)
        sent = self.aDescriptor()
        os.set_inheritable(sent, True)
        channels = WorkerChannels(stream, query, handoff)
        Spawner(self.reactor).spawn(process, program, 12, channels)
        stream.transport.writeWithDescriptors(b"x", [sent])
        handoff.transport.write(b"one packet")
        handoff.transport.write(b"another")

        def ended() -> Failure | None:
            # The reactor does not run, so that no signal tells it.
            reapAllProcesses()
            return process.ended

        self.turnUntil(
            lambda: ended() and stream.reasons and query.reasons and handoff.data
        )
        self.assertEqual(query.data, b"12")
        # The end of the process is none of this channel: our own duplicate of the
        # other end is still open, and has what it did not read.
        self.assertEqual(handoff.chunks, [len(b"one packet")])
        transport = handoff.transport
        assert isinstance(transport, HandoffTransport)
        self.assertEqual((handoff.reasons, transport.takeBack()), ([], [b"another"]))
        transport.abortConnection()
        self.turnUntil(lambda: handoff.reasons)
        self.assertEqual(stream.data, f"[] '' {inode(sent)}".encode())
        self.assertEqual(process.said, {1: b"out", 2: b"err"})
        self.assertEqual(process.ended.value.exitCode, 0)  # type: ignore[union-attr]
