"""
Tests of L{twisted_cluster._run.library}.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._run import library
from twisted_cluster._run.library import Cluster
from twisted_cluster._run.orders import CHILD_MODULE, ProgramKind, WorkerOrders
from twisted_cluster.errors import (
    ClusterStopping,
    ConfigurationError,
    ListenRefused,
)
from twisted_cluster.listening import ListenRequest, PortKind
from twisted_cluster.settings import (
    PortSettings,
    PrimarySettings,
    SchedulingPolicy,
    SupervisionSettings,
    WorkerProgram,
)
from twisted_cluster.testing.ports import MemoryPortOpener
from twisted_cluster.testing.processes import MemorySpawner


class StoppingClock(Clock):
    """
    A reactor that can be stopped.

    @ivar triggers: By number, what is to be called before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.triggers: dict[int, Any] = {}
        self.added = 0

    def addSystemEventTrigger(self, phase: str, event: str, call: Any) -> int:
        """
        Keep it.
        """
        assert (phase, event) == ("before", "shutdown")
        self.added += 1
        self.triggers[self.added] = call
        return self.added

    def removeSystemEventTrigger(self, trigger: int) -> None:
        """
        Keep it no more.
        """
        del self.triggers[trigger]

    def stop(self) -> Deferred[Any]:
        """
        Begin to stop.

        @return: What the only trigger returned.
        """
        [trigger] = self.triggers.values()
        stopped: Deferred[Any] = trigger()
        return stopped


class ClusterTests(SynchronousTestCase):
    """
    Tests of L{Cluster}.
    """

    def setUp(self) -> None:
        """
        Start processes in memory.
        """
        self.clock = StoppingClock()
        self.spawner = MemorySpawner()
        self.addCleanup(self.spawner.close)
        self.patch(library, "Spawner", lambda *_: self.spawner)

    def cluster(self, **settings: Any) -> Cluster:
        """
        Make one.
        """
        return Cluster(self.clock, exec="site.py", **settings)

    def program(self, **settings: Any) -> WorkerProgram:
        """
        What a worker is to run.
        """
        self.cluster(**settings).fork()
        return self.spawner.processes[-1].program

    def orders(self, program: WorkerProgram) -> WorkerOrders:
        """
        What a worker's command line says to run.
        """
        words = program.arguments[program.arguments.index("-m") + 2 :]
        return WorkerOrders.fromWords(words)

    def test_script(self) -> None:
        """
        A script is run by its whole path, with its arguments and those of the
        interpreter, in the primary's surroundings.
        """
        program = self.program(args=["--port", "80"], execArgv=["-X", "dev"])
        self.assertEqual(program.arguments[:4], ("-X", "dev", "-m", CHILD_MODULE))
        orders = self.orders(program)
        self.assertIs(orders.kind, ProgramKind.SCRIPT)
        self.assertEqual(orders.program, (os.path.abspath("site.py"), "--port", "80"))
        self.assertEqual(program.environment["PATH"], os.environ["PATH"])
        self.assertEqual(program.stdio, ("inherit",) * 3)
        self.assertEqual(program.serialization, "json")

    def test_module(self) -> None:
        """
        A module is run by its name.
        """
        cluster = Cluster(self.clock, exec="-m site.server", args=["x"])
        cluster.fork()
        orders = self.orders(self.spawner.processes[-1].program)
        self.assertIs(orders.kind, ProgramKind.MODULE)
        self.assertEqual(orders.program, ("site.server", "x"))

    def test_surroundings(self) -> None:
        """
        Everything that is set reaches the process.
        """
        program = self.program(
            cwd="/", uid=5, gid=6, silent=True, serialization="advanced"
        )
        self.assertEqual((program.cwd, program.uid, program.gid), ("/", 5, 6))
        self.assertEqual(program.stdio, ("pipe",) * 3)
        self.assertEqual(program.serialization, "advanced")

    def test_orphanTime(self) -> None:
        """
        Workers are told how long they may outlive the primary.
        """
        supervision = SupervisionSettings(orphanTime=4.5)
        program = self.program(supervision=supervision)
        self.assertEqual(self.orders(program).orphanTime, 4.5)

    def test_ports(self) -> None:
        """
        What workers may listen on reaches the ports.
        """
        cluster = self.cluster(ports=PortSettings(mayListen=["tcp:80"]))
        cluster.fork()
        assert cluster._roster is not None
        with self.assertRaises(ListenRefused) as caught:
            cluster._roster.ports.lend(
                next(iter(cluster._roster.workers.values())),
                ListenRequest(kind=PortKind.TCP, port=81),
            )
        self.assertEqual(caught.exception.errno, errno.EACCES)

    def test_environment(self) -> None:
        """
        A worker has what is added for it, over the primary's.
        """
        cluster = self.cluster()
        cluster.fork({"PATH": "/nowhere", "WORKER": "one"})
        cluster.fork()
        first, second = (process.program for process in self.spawner.processes)
        self.assertEqual(first.environment["PATH"], "/nowhere")
        self.assertEqual(first.environment["WORKER"], "one")
        self.assertNotIn("WORKER", second.environment)

    def test_environmentValues(self) -> None:
        """
        Numbers are variables, too; what is C{None} it has not, and what can be no
        variable is refused before anything is started.
        """
        cluster = self.cluster()
        cluster.fork({"WORKER": 5, "PATH": None})
        environment = self.spawner.processes[-1].program.environment
        self.assertEqual(environment["WORKER"], "5")
        self.assertNotIn("PATH", environment)
        self.assertRaises(ConfigurationError, cluster.fork, {"WORKER": ["x"]})
        self.assertEqual(len(self.spawner.processes), 1)
        self.assertEqual(len(cluster.workers), 1)

    def test_directory(self) -> None:
        """
        A script is looked for where the worker starts, which may be relative to
        where the primary is.
        """
        for cwd, path in (
            ("/srv", "/srv/site.py"),
            ("srv", os.path.abspath("srv/site.py")),
        ):
            program = self.program(cwd=cwd)
            self.assertEqual(self.orders(program).program[0], path)
            self.assertEqual(program.cwd, cwd)

    def main(self, **attributes: Any) -> PrimarySettings:
        """
        The settings of a process whose main module has these attributes.
        """
        main = ModuleType("__main__")
        for name, value in attributes.items():
            setattr(main, name, value)
        self.patch(sys, "modules", {**sys.modules, "__main__": main})
        self.patch(sys, "argv", ["given.py", "a", "b"])
        return Cluster(self.clock)._surroundings.defaults()

    def test_sameScript(self) -> None:
        """
        By default, it is the program that runs now.
        """
        settings = self.main(__file__=__file__, __spec__=None)
        self.assertEqual(settings.exec, __file__)
        self.assertEqual(settings.args, ("a", "b"))

    def test_itself(self) -> None:
        """
        Wherever workers start, it is this program that is meant.
        """
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(directory.name)
        Path("given.py").touch()
        settings = self.main(__spec__=None)
        self.assertEqual(settings.exec, os.path.abspath("given.py"))

    def test_nowhere(self) -> None:
        """
        A program that is in no file cannot be run again.
        """
        for name in ("<stdin>", "-c"):
            settings = self.main(__spec__=None, __file__=name)
            self.assertEqual(settings.exec, "")

    def test_sameModule(self) -> None:
        """
        That may be a module, or a package.
        """
        for name in ("site.server", "site.server.__main__"):
            spec = type("Spec", (), {"name": name})()
            self.assertEqual(self.main(__spec__=spec).exec, "-m site.server")

    def test_archive(self) -> None:
        """
        A directory or an archive that was run cannot be run again by its name.
        """
        spec = type("Spec", (), {"name": "__main__"})()
        self.assertEqual(self.main(__spec__=spec).exec, "")

    def test_noProgram(self) -> None:
        """
        In an interpreter without a program there is nothing to run again.
        """
        cluster = Cluster(self.clock, exec="")
        problem = self.assertRaises(ConfigurationError, cluster.fork)
        self.assertIn("setupPrimary(exec=...)", str(problem))

    def test_several(self) -> None:
        """
        Two clusters know nothing of each other.
        """
        first, second = self.cluster(args=["1"]), self.cluster(args=["2"])
        first.fork()
        self.assertEqual((len(first.workers), len(second.workers)), (1, 0))
        self.assertEqual(second.settings["args"], ["2"])

    def test_globalReactor(self) -> None:
        """
        Without another one it is on the global reactor.
        """
        import twisted.internet.reactor

        self.patch(twisted.internet, "reactor", self.clock)
        Cluster(exec="site.py").fork()
        self.assertEqual(len(self.clock.triggers), 1)

    def test_policy(self) -> None:
        """
        The policy is what is said, or what the environment says.
        """
        self.patch(os, "environ", {"TWISTED_CLUSTER_SCHED_POLICY": "none"})
        self.assertIs(Cluster(self.clock).schedulingPolicy, SchedulingPolicy.NONE)
        said = Cluster(self.clock, schedulingPolicy="rr")
        self.assertIs(said.schedulingPolicy, SchedulingPolicy.RR)

    def test_noRecords(self) -> None:
        """
        What should be a record of settings, and is none, is refused at once.
        """
        nonsense: list[dict[str, Any]] = [
            {"handoff": {"insured": True}},
            {"supervision": 5},
            {"ports": "tcp:80"},
        ]
        for given in nonsense:
            problem = self.assertRaises(ConfigurationError, self.cluster, **given)
            [name] = given
            self.assertTrue(str(problem).startswith(f"{name} has to be "))

    def test_noPolicy(self) -> None:
        """
        Neither may name one that there is not.
        """
        self.assertRaises(ConfigurationError, self.cluster, schedulingPolicy="fair")
        self.patch(os, "environ", {"TWISTED_CLUSTER_SCHED_POLICY": "fair"})
        self.assertRaises(ConfigurationError, self.cluster)

    def test_stop(self) -> None:
        """
        The reactor's end waits for that of the workers, which are asked for it;
        none is started any more, and that an observer tries is no mistake.
        """
        cluster = self.cluster()
        cluster.fork(), cluster.fork()
        cluster.on("exit", lambda *_: cluster.fork())
        with capturedLogs() as events:
            stopped = self.clock.stop()
            for process in self.spawner.processes:
                self.assertEqual(process.signals, ["TERM"])
                self.assertNoResult(stopped)
                process.end()
            self.successResultOf(stopped)
        self.assertEqual(events, [])
        self.assertEqual(len(self.spawner.processes), 2)
        self.assertRaises(ClusterStopping, cluster.fork)
        # Only what the cluster tells later is left to do.
        self.clock.advance(1000)
        self.assertEqual(self.spawner.processes[0].signals, ["TERM"])

    def test_stopHanging(self) -> None:
        """
        A worker that takes too long is killed.
        """
        cluster = self.cluster(supervision=SupervisionSettings(killTime=3))
        cluster.fork()
        stopped = self.clock.stop()
        [process] = self.spawner.processes
        self.clock.advance(2.9)
        self.assertEqual(process.signals, ["TERM"])
        self.clock.advance(0.2)
        self.assertEqual(process.signals, ["TERM", "KILL"])
        self.assertNoResult(stopped)
        process.end(signal="SIGKILL")
        self.successResultOf(stopped)

    def test_stopAlone(self) -> None:
        """
        Without workers there is nothing to wait for.
        """
        self.cluster().fork()
        self.spawner.processes[0].end()
        self.successResultOf(self.clock.stop())

    def test_stopPorts(self) -> None:
        """
        When the reactor stops, the ports close before anything else, and workers get
        no connections any more; also those that somebody has asked to leave end.
        """
        opener = MemoryPortOpener()
        self.addCleanup(opener.close)
        self.patch(library, "PortOpener", lambda _: opener)
        cluster = self.cluster()
        first, second = cluster.fork(), cluster.fork()
        for process in self.spawner.processes:
            process.worker.comeUp()
            process.worker.listen(ListenRequest(kind=PortKind.TCP, port=8080))
        first.disconnect()
        [port] = opener.ports
        self.assertTrue(port.isOpen)
        self.clock.stop()
        self.assertFalse(port.isOpen)
        self.assertFalse(second._handle.mayTakeConnections)
        for process in self.spawner.processes:
            self.assertEqual(process.signals, ["TERM"])

    def test_forgotten(self) -> None:
        """
        The reactor knows a cluster as long as that has workers or ports, so that one
        for each test costs nothing.
        """
        cluster = self.cluster()
        self.assertEqual(self.clock.triggers, {})
        for count in (1, 2):
            cluster.fork()
            cluster.fork()
            self.assertEqual(list(self.clock.triggers), [count])
            gone = cluster.disconnect()
            for process in self.spawner.living:
                process.end()
            self.clock.pump([0, 0, 0])
            self.successResultOf(gone)
            self.assertEqual(self.clock.triggers, {})

    def test_settings(self) -> None:
        """
        The settings can be a record, a mapping, or named.
        """
        record = PrimarySettings(exec="site.py", args=["1"])
        for cluster in (
            Cluster(self.clock, record),
            Cluster(self.clock, {"exec": "site.py", "args": ["1"]}),
            Cluster(self.clock, record.asDictionary(), args=["1"]),
            Cluster(self.clock, exec="site.py", args=["1"]),
        ):
            self.assertEqual(cluster.settings["exec"], "site.py")
            self.assertEqual(cluster.settings["args"], ["1"])
        nonsense: Any = 5
        self.assertRaises(ConfigurationError, Cluster, self.clock, nonsense)
