"""
The ways to run trial: alone, in a worker, or with the reactor plugin.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

import tests
from tests.suites.outcomes import Outcome, readOutcomes
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._reactor.portopener import PortOpener
from twisted_cluster._reactor.spawning import Spawner
from twisted_cluster._run.orders import ProgramKind, WorkerOrders
from twisted_cluster.events import ListeningAddress, WorkerExit
from twisted_cluster.settings import HandoffSettings, SchedulingPolicy, WorkerProgram

TIME_LIMIT = 300.0
"""
Seconds until a run is taken for one that hangs, and is killed.
"""

_PROGRAM = "tests.suites.trialprogram"


class Surrounding(Enum):
    """
    Where trial is run.
    """

    ALONE = "alone"
    """As everybody runs it, with C{--reactor=epoll}."""

    WORKER = "worker"
    """The same, as the program of a worker."""

    PLUGIN = "plugin"
    """Without a cluster, but with C{--reactor=cluster}."""


@attrs.frozen
class TrialRun:
    """
    One run of some tests.

    @ivar surrounding: Where.
    @ivar tests: What trial is told to run.
    @ivar directory: An existing directory, for what the run leaves behind.
    """

    surrounding: Surrounding
    tests: Sequence[str]
    directory: Path

    @property
    def output(self) -> Path:
        """
        What trial prints.
        """
        return self.directory / f"{self.surrounding.value}.output"

    @property
    def _outcomes(self) -> Path:
        return self.directory / f"{self.surrounding.value}.outcomes"

    async def outcomes(self, reactor: Any) -> dict[str, Outcome]:
        """
        Run the tests.
        """
        self._outcomes.unlink(missing_ok=True)
        self.output.unlink(missing_ok=True)
        # Trial's usual place is a long way down, and the paths of UNIX sockets
        # have to be short.
        with TemporaryDirectory(prefix="", dir="/tmp") as temporary:
            Path(temporary, "_trial_marker").touch()
            arguments = self._arguments(temporary)
            if self.surrounding is Surrounding.WORKER:
                await self._inWorker(reactor, arguments)
            else:
                await self._alone(reactor, arguments)
        return readOutcomes(self._outcomes)

    def _arguments(self, temporary: str) -> tuple[str, ...]:
        """
        The module to run, and its arguments.
        """
        name = self.surrounding
        return (
            _PROGRAM,
            f"{self._outcomes}",
            f"{self.output}",
            f"--reactor={'cluster' if name is Surrounding.PLUGIN else 'epoll'}",
            f"--temp-directory={temporary}",
            *self.tests,
        )

    def _environment(self) -> dict[str, str]:
        """
        The tests are not run in this directory, and need its modules.
        """
        root = os.path.dirname(os.path.dirname(os.path.abspath(tests.__file__)))
        path = [root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}

    async def _alone(self, reactor: Any, arguments: Sequence[str]) -> None:
        """
        Run a process of the same kind that a worker is, without a primary.
        """
        ended: Deferred[None] = Deferred()
        with open(os.devnull, "rb") as nothing:
            process = reactor.spawnProcess(
                _Ending(ended),
                sys.executable,
                [sys.executable, "-m", *arguments],
                env=self._environment(),
                path=f"{self.directory}",
                childFDs={0: nothing.fileno(), 1: 1, 2: 2},
            )
        limit = reactor.callLater(TIME_LIMIT, process.signalProcess, "KILL")
        await ended
        if limit.active():
            limit.cancel()

    async def _inWorker(self, reactor: Any, arguments: Sequence[str]) -> None:
        """
        Run a primary with one worker, and no successor for it.
        """
        orders = WorkerOrders(kind=ProgramKind.MODULE, program=tuple(arguments))
        program = WorkerProgram(
            arguments=("-m", "twisted_cluster._run.child", *orders.toWords()),
            environment=self._environment(),
            cwd=f"{self.directory}",
            stdio=("ignore", "inherit", "inherit"),
        )
        roster = Roster(
            SchedulingPolicy.RR,
            HandoffSettings(),
            Spawner(reactor),
            PortOpener(reactor),
            reactor,
        )
        ended: Deferred[None] = Deferred()
        roster.addObserver(_WorkerEnding(ended))
        worker = roster.fork(program, 0)
        limit = reactor.callLater(TIME_LIMIT, worker.kill)
        try:
            await ended
        finally:
            if limit.active():
                limit.cancel()
            roster.close()


class _Ending(ProcessProtocol):
    """
    Waits for a process's end.
    """

    def __init__(self, ended: Deferred[None]) -> None:
        self._ended = ended

    def processExited(self, reason: Failure) -> None:
        """
        How it ended is of no interest: the outcomes tell.
        """
        self._ended.callback(None)


class _WorkerEnding:
    """
    Waits for a worker's end.
    """

    def __init__(self, ended: Deferred[None]) -> None:
        self._ended = ended

    def workerStarted(self, worker: WorkerHandle) -> None:
        """
        The tests begin.
        """

    def workerFailed(self, worker: WorkerHandle, error: Exception) -> None:
        """
        Its end follows.
        """

    def workerOnline(self, worker: WorkerHandle) -> None:
        """
        Not yet.
        """

    def workerRunning(self, worker: WorkerHandle) -> None:
        """
        Now.
        """

    def workerListening(self, worker: WorkerHandle, address: ListeningAddress) -> None:
        """
        Tests do.
        """

    def workerDisconnected(self, worker: WorkerHandle) -> None:
        """
        Its process is about to end.
        """

    def workerExited(self, worker: WorkerHandle, exit: WorkerExit) -> None:
        """
        How it ended is of no interest: the outcomes tell.
        """
        self._ended.callback(None)
