"""
Programs that are primary and, forked, worker, as Node's tests are: running
them, and what they are written with.

A module of this package is such a program when it is run as a script::

    class BasicTests(ProgramTests):
        def test_basic(self) -> None:
            seen = self.perform()
            self.assertEqual(seen["listening"], [4])

    async def primary() -> None:
        worker = cluster.fork()
        saw("listening", (await worker.whenListening()).addressType)
        await worker.disconnect()
        await worker.whenExited()

    async def worker() -> None:
        reactor().listenTCP(0, Factory(), interface="127.0.0.1")

    if __name__ == "__main__":
        play(primary, worker)

A program that fails anywhere, in the primary or in a worker, fails the test:
by an exception, by an error in the log, by a function of L{mustCall} that was
not called, by workers that outlive C{primary}, by taking too long.

The environment's C{TWISTED_CLUSTER_TEST_REACTOR} names the reactor that the
programs install: C{epoll}, C{poll}, C{select} or C{asyncio}.  C{python -m
tests.conformance.reactors} runs all cases on each of them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
)
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import (
    ILogObserver,
    LogEvent,
    LogLevel,
    eventAsText,
    globalLogBeginner,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

import twisted_cluster as cluster
from tests.integration.running import RunningProgram
from twisted_cluster.observing import Occasion

REACTOR_VARIABLE = "TWISTED_CLUSTER_TEST_REACTOR"
REACTORS = ("epoll", "poll", "select", "asyncio")

DEADLINE = 60.0
"""
Seconds until a program gives up by itself, and says where it is.  Some start 16
workers, which takes 10 seconds of CPU; others of the tests run meanwhile.
"""

PATIENCE = 75.0
"""
Seconds until a program that does not even do that is killed.
"""

ROOT = Path(__file__).parent.parent.parent

UNPRIVILEGED = (
    sys.executable,
    "-c",
    """if True:
    import ctypes, os, sys
    PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE = 24, 10
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE, 0, 0, 0)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    """,
)
"""
What runs a program so that even as the superuser it may not bind low ports.
"""

_SAW = "saw: "
_FAILED = "failed: "


# -- for the tests


class ProgramTests(SynchronousTestCase):
    """
    Tests whose module is the program.

    @ivar reactorName: The reactor that it installs; C{None} for what the
        environment says.
    """

    reactorName: str | None = None

    def perform(
        self,
        *arguments: str,
        status: int = 0,
        environment: dict[str, str] | None = None,
        launcher: Sequence[str] = (sys.executable,),
    ) -> dict[str, list[Any]]:
        """
        Run the module as a script, until it and its workers have ended.

        @param arguments: Its command line.
        @param status: The exit status that it has to have.
        @param environment: What to add to this process's.
        @param launcher: What runs it; has to become the interpreter.

        @return: By name, whatever the program's processes L{saw}.
        """
        file = sys.modules[type(self).__module__].__file__
        assert file is not None
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        command = [*launcher, os.path.abspath(file), *arguments]
        surroundings = {"PYTHONPATH": path.rstrip(os.pathsep), **(environment or {})}
        if self.reactorName is not None:
            surroundings[REACTOR_VARIABLE] = self.reactorName
        # Where the path of a UNIX socket is short enough.
        with tempfile.TemporaryDirectory(prefix="tc-") as directory:
            with RunningProgram(command, directory, surroundings) as program:
                ended = program.waitForExit(PATIENCE)
            log = program.log
        self.assertEqual(ended, status, f"\n{log}")
        self.assertEqual(log.matches(f"^{_FAILED}"), [], f"\n{log}")
        seen = defaultdict(list)
        for match in log.matches(f"^{_SAW}"):
            name, value = json.loads(match.string.removeprefix(_SAW))
            seen[name].append(value)
        return dict(seen)


# -- for the programs: running


def play(
    primary: Callable[[], Coroutine[Any, Any, None]],
    worker: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    """
    Be a primary, or a worker, in this process.

    @param primary: What the primary does.  When it returns there must be no
        worker left, and the primary ends.
    @param worker: What each worker does.  It ends when the cluster lets it.
    """
    name = os.environ.get(REACTOR_VARIABLE)
    if name:
        import_module(f"twisted.internet.{name}reactor").install()
    globalLogBeginner.beginLoggingTo([_observe], redirectStandardIO=False)
    running = reactor()
    running.callWhenRunning(_start, worker if cluster.isWorker else primary)
    deadline = running.callLater(DEADLINE, _tooLate)
    running.run()
    if deadline.active():
        deadline.cancel()
    for called in _expected:
        called.verify()


def _start(part: Callable[[], Coroutine[Any, Any, None]]) -> None:
    _parts.append(part())
    running = Deferred.fromCoroutine(_parts[-1])
    if cluster.isPrimary:
        running.addCallback(_ended)
    running.addErrback(_failedWith)


def _ended(result: None) -> None:
    if cluster.workers:
        fail(f"the primary is done, but there are {cluster.workers}")
    with suppress(ReactorNotRunning):
        reactor().stop()


def _tooLate() -> None:
    lines = [f"not done in {DEADLINE:g} s; workers: {cluster.workers}"]
    waiting: Any = _parts[-1]
    while waiting is not None and getattr(waiting, "cr_frame", None):
        frame = waiting.cr_frame
        lines.append(f"{frame.f_code.co_name}, line {frame.f_lineno}, waits")
        waiting = waiting.cr_await
    fail("\n".join(lines))


@provider(ILogObserver)
def _observe(event: LogEvent) -> None:
    failure = event.get("log_failure")
    if failure is not None and failure.check(*_tolerated):
        return
    level = event.get("log_level", LogLevel.info)
    if failure is not None or level >= LogLevel.error:
        fail(eventAsText(event))
    if level >= LogLevel.warn:
        _write(f"{_who()}: {eventAsText(event)}")


def _failedWith(failure: Failure) -> None:
    fail(failure.getTraceback())


def _who() -> str:
    return f"worker {cluster.worker.id}" if cluster.worker else "primary"


def _write(line: str) -> None:
    # In one piece, because the processes have the same output.
    os.write(1, line.encode() + b"\n")


_parts: list[Coroutine[Any, Any, None]] = []
_tolerated: list[type[BaseException]] = []
_expected: list[_Expected] = []


# -- for the programs: what they tell


def saw(name: str, value: object = None) -> None:
    """
    Tell the test a fact.
    """
    _write(_SAW + json.dumps([name, value]))


def fail(reason: str) -> NoReturn:
    """
    End this process, and fail the test.
    """
    for line in reason.splitlines() or [""]:
        _write(f"{_FAILED}{_who()}: {line}")
    exitNow(1)


def exitNow(status: int = 0) -> NoReturn:
    """
    End this process at once, as Node's C{process.exit} does.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def same(actual: object, expected: object) -> None:
    """
    See that something is as it should be.
    """
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def tolerate(*kinds: type[BaseException]) -> None:
    """
    Let exceptions of these kinds be logged from now on.
    """
    _tolerated.extend(kinds)


class _Expected:
    """
    A function that has to be called so many times.
    """

    def __init__(self, function: Callable[..., Any], times: int) -> None:
        self._function = function
        self._times = times
        self._count = 0

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self._count += 1
        if self._count > self._times:
            fail(f"{self._function} was called {self._count} times: {arguments}")
        return self._function(*arguments, **named)

    def verify(self) -> None:
        """
        Fail if it was not called often enough.
        """
        if self._count != self._times:
            fail(f"{self._function} was called {self._count}, not {self._times} times")


def mustCall(
    function: Callable[..., Any] = lambda *arguments: None, times: int = 1
) -> Callable[..., Any]:
    """
    @return: The function; this process fails if it ends in order and that was
        not called exactly so many times.
    """
    expected = _Expected(function, times)
    _expected.append(expected)
    return expected


def mustNotCall(what: str = "this") -> Callable[..., Any]:
    """
    @return: A function that must not be called.
    """

    def called(*arguments: Any, **named: Any) -> None:
        fail(f"{what} must not be called: {arguments}")

    return called


# -- for the programs: what they wait for, and do


def reactor() -> Any:
    """
    The reactor.  Not to be asked for before L{play}.
    """
    from twisted.internet import reactor

    return reactor


def happening(emitter: Any, name: str) -> Deferred[tuple[Any, ...]]:
    """
    @param emitter: The cluster, or a worker.

    @return: Fires when the event happens next, with its arguments.
    """
    happened: Deferred[tuple[Any, ...]] = emitter.when(name)
    return happened


async def sawExit(worker: Any) -> None:
    """
    Wait until a worker's process has ended, and tell the test how.
    """
    exit = await worker.whenExited()
    saw("exit", [exit.code, exit.signal])


def nextTurn() -> Deferred[None]:
    """
    @return: Fires in the reactor's next turn.
    """
    return later(0)


def later(seconds: float) -> Deferred[None]:
    """
    @return: Fires then.  Only for what must I{not} happen meanwhile, or what is
        to be late.
    """
    turned: Deferred[None] = Deferred()
    reactor().callLater(seconds, turned.callback, None)
    return turned


@frozen
class _Closing:
    """
    The end of a connection, as something that is no failure.
    """

    reason: BaseException | None


class Peer(Protocol):
    """
    One end of a connection.

    @ivar received: What came until now.
    """

    def __init__(self, made: Callable[[Peer], object] = lambda peer: None) -> None:
        """
        @param made: Called with this object when it is connected.
        """
        self.received = b""
        self._made = made
        self._waiting: list[tuple[int, Deferred[bytes]]] = []
        self._closed: Occasion[_Closing] = Occasion()

    def connectionMade(self) -> None:
        """
        Tell.
        """
        self._made(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.received += data
        waiting, self._waiting = self._waiting, []
        for count, deferred in waiting:
            self._await(count, deferred)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Tell.
        """
        self._closed.happened(_Closing(reason.value))
        waiting, self._waiting = self._waiting, []
        for _, deferred in waiting:
            deferred.errback(reason)

    def write(self, data: bytes) -> None:
        """
        Send something.
        """
        assert self.transport is not None
        self.transport.write(data)

    def close(self) -> None:
        """
        Close the connection.
        """
        assert self.transport is not None
        self.transport.loseConnection()

    def hear(self, count: int) -> Deferred[bytes]:
        """
        @return: Fires with everything when there are so many bytes; fails if
            the connection is lost before.
        """
        deferred: Deferred[bytes] = Deferred()
        self._await(count, deferred)
        return deferred

    def whenClosed(self) -> Deferred[BaseException | None]:
        """
        @return: Fires with the reason.
        """
        return self._closed.when().addCallback(lambda closing: closing.reason)

    def _await(self, count: int, deferred: Deferred[bytes]) -> None:
        if len(self.received) >= count:
            deferred.callback(self.received)
        else:
            self._waiting.append((count, deferred))


class EchoingPeer(Peer):
    """
    Sends back what it gets.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Send it back.
        """
        super().dataReceived(data)
        self.write(data)


def serving(
    made: Callable[[Any], object] = lambda peer: None, kind: type[Peer] = Peer
) -> ServerFactory:
    """
    @param made: Called with the L{Peer} of each connection.

    @return: What a port needs to serve them.
    """

    class Serving(ServerFactory):
        noisy = False

        def buildProtocol(self, address: object) -> Peer:
            return kind(made)

    return Serving()


def connect(port: int, host: str = "127.0.0.1") -> Deferred[Peer]:
    """
    @return: Fires with the connection.
    """
    endpoint = TCP4ClientEndpoint(reactor(), host, port)
    connected: Deferred[Peer] = connectProtocol(endpoint, Peer())
    return connected


def connectUNIX(path: str) -> Deferred[Peer]:
    """
    @return: Fires with the connection.
    """
    endpoint = UNIXClientEndpoint(reactor(), path)
    connected: Deferred[Peer] = connectProtocol(endpoint, Peer())
    return connected
