"""
A cluster in memory, as a program has it that starts workers itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from tests.unit.realreactor import DescriptorsCountedTestCase
from tests.unit.sending import SentFile
from twisted_cluster._primary.cluster import Cluster
from twisted_cluster._primary.forkedworker import ForkedWorker
from twisted_cluster._primary.roster import Roster
from twisted_cluster._primary.workerhandle import WorkerHandle
from twisted_cluster._primary.workeroutput import emitted
from twisted_cluster._wire.correspondence import Correspondence
from twisted_cluster._wire.lanes import Handle
from twisted_cluster.errors import ConfigurationError
from twisted_cluster.interfaces import IHandles
from twisted_cluster.settings import (
    HandoffSettings,
    PrimarySettings,
    SchedulingPolicy,
    WorkerProgram,
)
from twisted_cluster.testing.ports import MemoryPortOpener
from twisted_cluster.testing.processes import MemoryProcess, MemorySpawner


@implementer(IHandles)
class OpenFiles:
    """
    Sends open files by their descriptors, and receives descriptors.

    @ivar sent: What was sent.
    @ivar received: The descriptors that came.
    """

    def __init__(self) -> None:
        self.sent: list[SentFile] = []
        self.received: list[int] = []

    def detach(self, thing: Any, keepOpen: bool, unread: bytes) -> SentFile:
        """
        Send it.
        """
        self.sent.append(SentFile(Handle(f"file {keepOpen} {unread!r}", thing)))
        return self.sent[-1]

    def attach(self, handle: Handle) -> int:
        """
        Keep what came.
        """
        self.received.append(handle.descriptor)
        return handle.descriptor

    def close(self) -> None:
        """
        Close what came; for a test's clean-up.
        """
        for descriptor in self.received:
            os.close(descriptor)


class MemorySurroundings:
    """
    A process that only seems to start others.

    @ivar clock: Its time.
    @ivar spawner: What it starts.
    @ivar opener: What it listens on.
    @ivar files: What it sends and receives.
    @ivar policies: With which policy a roster was made.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.spawner = MemorySpawner()
        self.opener = MemoryPortOpener()
        self.files = OpenFiles()
        self.policies: list[SchedulingPolicy] = []

    def defaults(self) -> PrimarySettings:
        """
        A program with an argument.
        """
        return PrimarySettings(exec="site.py", args=["--port=80"])

    def program(
        self, settings: PrimarySettings, environment: Mapping[str, Any]
    ) -> WorkerProgram:
        """
        What is asked for, as it is.

        @raise ConfigurationError: if it is nothing.
        """
        if not settings.exec:
            raise ConfigurationError("there is no program")
        return WorkerProgram(
            arguments=(settings.exec, *settings.args),
            environment=environment,
            stdio=settings.streams(),
            serialization=settings.serialization,
        )

    def roster(self, policy: SchedulingPolicy) -> Roster:
        """
        One in memory.
        """
        self.policies.append(policy)
        return Roster(
            policy,
            HandoffSettings(),
            self.spawner,
            self.opener,
            self.clock,
            newOutput=emitted,
        )

    def correspondence(self, handle: WorkerHandle) -> Correspondence:
        """
        Over the handle's own link.
        """
        return Correspondence(handle.link, self.files, self.clock)


class ClusterCase(DescriptorsCountedTestCase):
    """
    A cluster in memory.

    @ivar told: What happened in the cluster, as its events tell it: their
        names and arguments, with workers' numbers.
    """

    def setUp(self) -> None:
        """
        Make the cluster.
        """
        super().setUp()
        self.surroundings = MemorySurroundings()
        self.clock = self.surroundings.clock
        self.spawner = self.surroundings.spawner
        self.opener = self.surroundings.opener
        self.files = self.surroundings.files
        self.cluster = Cluster(self.surroundings, self.clock)
        self.told: list[tuple[object, ...]] = []
        self.addCleanup(self._cleanUp)

    def _cleanUp(self) -> None:
        """
        Close all descriptors that there still are.
        """
        for process in self.spawner.living:
            process.end()
        self.spawner.close()
        self.opener.close()
        self.files.close()

    def listen(self, *names: str) -> None:
        """
        Keep what the cluster tells under these names.
        """
        for name in names:
            self.cluster.on(name, self._telling(name))

    def _telling(self, name: str) -> Any:
        """
        Keep what is told.
        """

        def tell(*what: object) -> None:
            self.told.append((name, *map(numbered, what)))

        return tell

    def fork(self, **settings: Any) -> tuple[ForkedWorker, MemoryProcess]:
        """
        Start a worker.
        """
        if settings:
            self.cluster.setupPrimary(**settings)
        worker = self.cluster.fork()
        return worker, self.spawner.processes[-1]

    def forkRunning(self, **settings: Any) -> tuple[ForkedWorker, MemoryProcess]:
        """
        Start a worker, and have its program run.
        """
        worker, process = self.fork(**settings)
        self.clock.advance(0)
        process.worker.comeUp()
        return worker, process


def numbered(what: object) -> object:
    """
    A worker as its number, anything else as it is.
    """
    return what.id if isinstance(what, ForkedWorker) else what
