"""
Tests for L{twisted_cluster._run.plugin}, and that Twisted finds it.
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, cast

import attrs

# Parsing imports it, too; here its own deprecation warnings are known to be its.
import twisted.web.tap  # noqa: F401
from twisted.application.reactors import IReactorInstaller
from twisted.application.service import IService, IServiceMaker
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._run.scratch import scratchDirectory
from twisted_cluster._run import plugin
from twisted_cluster._run.cpucount import CPUCount
from twisted_cluster._run.orders import CHILD_MODULE, ProgramKind, WorkerOrders
from twisted_cluster._run.plugin import Options, makeService
from twisted_cluster.listening import PortKind
from twisted_cluster.settings import ClusterSettings, SchedulingPolicy


class OuterOptions(UsageOptions):
    """
    As much of twistd's options as a plugin sees.
    """

    synopsis = "outer"
    subCommand = "cluster"


class OptionsCase(SynchronousTestCase):
    """
    A directory to be in, and a way to parse.
    """

    def setUp(self) -> None:
        """
        Enter the directory.
        """
        before = os.getcwd()
        self.directory = scratchDirectory(self)
        os.chdir(self.directory)
        self.addCleanup(os.chdir, before)
        self.environment: dict[str, str] = {}
        self.outer: dict[str, object] = {}

    def parse(self, *words: str) -> Options:
        """
        Parse a command line, below the outer command's.
        """
        options = Options(self.environment)
        options.parent = OuterOptions()
        options.parent.update(self.outer)
        options.parseOptions(list(words))
        return options

    def ordersOf(self, *words: str) -> WorkerOrders:
        """
        What the workers are told to run for a command line.
        """
        arguments = self.parse(*words).settings.program.arguments
        module = arguments.index(CHILD_MODULE)
        self.assertEqual(arguments[module - 1], "-m")
        return WorkerOrders.fromWords(arguments[module + 1 :])

    def assertUsageError(self, words: list[str], *parts: str) -> None:
        """
        Assert that a command line is refused with a message that has these parts.
        """
        with self.assertRaises(UsageError) as caught:
            self.parse(*words)
        for part in parts:
            self.assertIn(part, str(caught.exception))


class SettingsTests(OptionsCase):
    """
    What the options set.
    """

    def test_agreement(self) -> None:
        """
        Every setting has an option and every option a setting, but for those
        that are listed with their reason.
        """

        def fields(record: type, prefix: str = "") -> Iterator[str]:
            for field in attrs.fields(attrs.resolve_types(record)):
                if isinstance(field.type, type) and attrs.has(field.type):
                    yield from fields(field.type, f"{prefix}{field.name}.")
                else:
                    yield prefix + field.name

        self.assertEqual(
            sorted(fields(ClusterSettings)),
            sorted(
                {*plugin.SETTING_OF_OPTION.values(), *plugin.SETTINGS_WITHOUT_OPTION}
            ),
        )
        self.assertEqual(
            sorted(name.rstrip("=") for name in Options().longOpt),
            sorted({*plugin.SETTING_OF_OPTION, *plugin.OPTIONS_WITHOUT_SETTING}),
        )

    def test_defaults(self) -> None:
        """
        Without options, the settings are the records' own defaults.
        """
        settings = self.parse("-w", "1", "web").settings
        self.assertEqual(settings, ClusterSettings(program=settings.program))

    def test_all(self) -> None:
        """
        Each option reaches its setting.
        """
        numbers = {
            "workers": 3,
            "threshold": 2.5,
            "killtime": 7.0,
            "minrestartdelay": 1.5,
            "maxrestartdelay": 60.0,
            "queue-limit": 11,
            "window": 12,
            "port-limit": 13,
            "orphan-time": 3.5,
        }
        words = [f"--{name}={number}" for name, number in numbers.items()]
        settings = self.parse(*words, "--policy", "none", "web").settings
        for name, number in numbers.items():
            found: Any = settings
            for part in plugin.SETTING_OF_OPTION[name].split("."):
                found = getattr(found, part)
            self.assertEqual(found, number, name)
        self.assertIs(settings.policy, SchedulingPolicy.NONE)

    def test_allowListen(self) -> None:
        """
        Each C{--allow-listen} allows more; one that names no ports is refused.
        """
        words = ["--allow-listen", "tcp:80", "--allow-listen=unix:/run/*", "web"]
        allowed = self.parse(*words).settings.ports.mayListen
        assert allowed is not None
        self.assertEqual(
            [str(pattern) for pattern in allowed], [words[1], "unix:/run/*"]
        )
        self.assertUsageError(
            ["--allow-listen", "80", "web"], "--allow-listen: '80' names no ports"
        )

    def test_orphanTime(self) -> None:
        """
        The workers are told how long they may outlive the primary.
        """
        self.assertEqual(self.ordersOf("--orphan-time", "7.5", "web").orphanTime, 7.5)

    def test_short(self) -> None:
        """
        The letters are procmon's, and C{-w}.
        """
        settings = self.parse(
            *["-w", "3", "-t", "2", "-k", "4", "-m", "5", "-M", "6", "web"]
        ).settings
        supervision = settings.supervision
        self.assertEqual(
            (
                settings.workers,
                supervision.threshold,
                supervision.killTime,
                supervision.minRestartDelay,
                supervision.maxRestartDelay,
            ),
            (3, 2, 4, 5, 6),
        )

    def test_environment(self) -> None:
        """
        The environment gives defaults, which options override.
        """
        self.environment = {
            "WEB_CONCURRENCY": "5",
            "TWISTED_CLUSTER_SCHED_POLICY": "none",
        }
        settings = self.parse("web").settings
        self.assertEqual(
            (settings.workers, settings.policy), (5, SchedulingPolicy.NONE)
        )
        settings = self.parse("-w", "2", "--policy", "rr", "web").settings
        self.assertEqual((settings.workers, settings.policy), (2, SchedulingPolicy.RR))

    def test_auto(self) -> None:
        """
        C{auto}, which is also the default, counts, and remembers how.
        """
        self.patch(
            plugin, "countWorkers", lambda: CPUCount(workers=17, reason="by hand")
        )
        for words in (["web"], ["-w", "auto", "web"]):
            self.environment = {"WEB_CONCURRENCY": ""}
            options = self.parse(*words)
            self.assertEqual(options.settings.workers, 17)
            self.assertEqual(options.countedHow, "by hand")
        self.assertEqual(self.parse("-w", "2", "web").countedHow, "")

    def test_bind(self) -> None:
        """
        C{--bind} can be given more than once; paths are where the program will
        be when it runs.
        """
        self.outer = {"rundir": "below"}
        options = self.parse("--bind", "tcp:80", "--bind", "unix:x", "web")
        tcp, unix = options.bindings
        self.assertEqual((tcp.kind, tcp.port), (PortKind.TCP, 80))
        self.assertEqual(os.fsdecode(unix.path), f"{self.directory}/below/x")

    def test_wrongValues(self) -> None:
        """
        A value that cannot work is refused; the message names the option, quotes
        the value and says what would do.
        """
        for words, parts in [
            ("-w 0", ["--workers", "'0'", "auto"]),
            ("-w many", ["--workers", "'many'", "auto"]),
            ("--policy fair", ["--policy", "'fair'", "rr or none"]),
            ("-t x", ["--threshold", "'x'", "seconds"]),
            ("-k -1", ["--killtime", "'-1'", "seconds"]),
            ("-m 0", ["--minrestartdelay", "more than 0"]),
            ("-M nan", ["--maxrestartdelay", "'nan'"]),
            ("-M inf", ["--maxrestartdelay", "'inf'"]),
            ("-m 5 -M 4", ["maxRestartDelay (4 s)", "minRestartDelay (5 s)"]),
            ("--queue-limit 0", ["--queue-limit", "'0'"]),
            ("--window 1.5", ["--window", "'1.5'"]),
            ("--uid nobody-here", ["--uid", "no user 'nobody-here'"]),
            ("--gid nobody-here", ["--gid", "no group 'nobody-here'"]),
            ("--bind tcp:http", ["'tcp:http'", "tcp:80"]),
        ]:
            self.assertUsageError([*words.split(), "web"], *parts)

    def test_wrongEnvironment(self) -> None:
        """
        If the environment is what is wrong, the message says so.
        """
        self.environment = {"WEB_CONCURRENCY": "lots"}
        self.assertUsageError(["web"], "WEB_CONCURRENCY", "'lots'")

    def test_platform(self) -> None:
        """
        Where descriptors cannot be handed over there is no cluster.
        """
        scmRights = socket.SCM_RIGHTS
        del socket.SCM_RIGHTS
        self.addCleanup(setattr, socket, "SCM_RIGHTS", scmRights)
        self.assertUsageError(["web"], "this platform")


class TargetTests(OptionsCase):
    """
    What the workers are told.
    """

    def test_plugin(self) -> None:
        """
        A plugin's own options are left to it.
        """
        orders = self.ordersOf("-w", "2", "web", "--path", ".", "-n")
        self.assertEqual(orders.kind, ProgramKind.TWISTD)
        self.assertEqual(orders.program, ("web", "--path", ".", "-n"))

    def test_module(self) -> None:
        """
        Behind C{--}, C{-m} is a module.
        """
        orders = self.ordersOf("-w", "2", "--", "-m", "twisted.trial", "-m", "x")
        self.assertEqual(orders.kind, ProgramKind.MODULE)
        self.assertEqual(orders.program, ("twisted.trial", "-m", "x"))

    def test_moduleWithoutDashes(self) -> None:
        """
        Whoever forgets C{--} is told.
        """
        self.assertUsageError(["-m", "twisted.trial"], "-- -m twisted.trial")

    def test_noTarget(self) -> None:
        """
        Without a target, the message lists what it may be.
        """
        self.assertUsageError([], "say what to run", ".tac", "-- -m")

    def test_wrongTarget(self) -> None:
        """
        A target that cannot be run is a wrong usage.
        """
        self.assertUsageError(["wbe"], "did you mean 'web'?")

    def test_clusterOfClusters(self) -> None:
        """
        A cluster does not run in another one.
        """
        self.assertUsageError(["cluster", "web"], "another cluster")

    def test_pluginsUsage(self) -> None:
        """
        What is wrong behind a plugin's name is said by the plugin, below its own
        synopsis and options.
        """
        options = Options(self.environment)
        options.parent = OuterOptions()
        with self.assertRaises(UsageError) as caught:
            options.parseOptions(["-w", "2", "web", "--bogus"])
        self.assertIn("--bogus", str(caught.exception))
        self.assertIn("--notracebacks", options.getUsage())
        self.assertNotIn("--workers", options.getUsage())

    def test_ownUsage(self) -> None:
        """
        What is wrong before a plugin's name is said below our own options.
        """
        options = Options(self.environment)
        with self.assertRaises(UsageError):
            options.parseOptions(["--bind", "tcp:http", "web"])
        self.assertIn("--workers", options.getUsage())

    def test_pluginsHelp(self) -> None:
        """
        C{--help} behind a plugin's name is the plugin's help.
        """
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        with self.assertRaises(SystemExit) as caught:
            self.parse("-w", "2", "web", "--help")
        self.assertEqual(caught.exception.code, 0)
        shown = output.getvalue()
        self.assertIn("outer cluster [options] web [web options]\n", shown)
        self.assertIn("--notracebacks", shown)

    def test_listen(self) -> None:
        """
        C{--listen} is for what is in a module, and is passed on as it is.
        """
        orders = self.ordersOf(
            "--listen", "tcp:80", "--listen", "unix:x", "twisted.web.server:Site"
        )
        self.assertEqual(orders.kind, ProgramKind.ATTRIBUTE)
        self.assertEqual(orders.listen, ("tcp:80", "unix:x"))

    def test_listenElsewhere(self) -> None:
        """
        Nothing else is told where to listen.
        """
        self.assertUsageError(
            ["--listen", "tcp:80", "web"], "only for a web resource", "web says itself"
        )

    def test_listenWrong(self) -> None:
        """
        A wrong endpoint is refused before a worker sees it.
        """
        self.assertUsageError(
            ["--listen", "tcp:http", "twisted.web.server:Site"], "'tcp:http'"
        )


class OuterCommandTests(OptionsCase):
    """
    What of the outer command reaches the workers.
    """

    def test_nothing(self) -> None:
        """
        Its defaults change nothing.
        """
        self.outer = {"rundir": ".", "umask": None, "uid": None, "chroot": None}
        self.assertEqual(
            self.ordersOf("web"),
            WorkerOrders(kind=ProgramKind.TWISTD, program=("web",)),
        )

    def test_reactor(self) -> None:
        """
        The chosen reactor does, from twistd and from twist, which name the
        option differently; and none that a worker has anyway.
        """
        cases: list[tuple[dict[str, object], str | None]] = [
            ({"reactor": "asyncio"}, "asyncio"),
            ({"reactorName": "asyncio", "reactor": object()}, "asyncio"),
            ({"reactorName": "default"}, None),
            ({"reactor": "cluster"}, None),
        ]
        for outer, expected in cases:
            self.outer = outer
            self.assertEqual(self.ordersOf("web").reactor, expected)

    def test_surroundings(self) -> None:
        """
        The directory, made absolute, and the permissions do; the worker is
        started where the outer command was.
        """
        self.outer = {"rundir": "below", "umask": 0o27}
        orders = self.ordersOf("web")
        self.assertEqual(orders.rundir, os.path.join(self.directory, "below"))
        self.assertEqual(orders.umask, 0o27)
        self.assertEqual(self.parse("web").settings.program.cwd, self.directory)

    def test_environment(self) -> None:
        """
        The environment does.
        """
        self.environment = {"LANG": "C"}
        environment = self.parse("web").settings.program.environment
        self.assertEqual(environment["LANG"], "C")

    def test_chroot(self) -> None:
        """
        A changed root is refused: there is no Python in it.
        """
        self.outer = {"chroot": "/srv"}
        self.assertUsageError(["web"], "--chroot")

    def test_noOuterCommand(self) -> None:
        """
        The options can be used alone, too.
        """
        options = Options(self.environment)
        options.parseOptions(["web"])
        self.assertEqual(options.settings.program.cwd, self.directory)


class IdentityTests(OptionsCase):
    """
    Tests for C{--uid} and C{--gid}.
    """

    def as_(self, uid: int) -> None:
        """
        Be somebody.
        """
        self.patch(os, "geteuid", lambda: uid)
        self.patch(os, "getegid", lambda: uid)

    def test_root(self) -> None:
        """
        Root's workers can be anybody, by name or number.  The process is started
        as root all the same, and becomes the other when it is ready to.
        """
        self.as_(0)
        orders = self.ordersOf("--uid", "4711", "--gid", "4712", "web")
        self.assertEqual((orders.uid, orders.gid), (4711, 4712))
        self.assertEqual(self.ordersOf("--uid", "nobody", "web").gid, None)
        program = self.parse("--uid", "4711", "web").settings.program
        self.assertEqual((program.uid, program.gid), (None, None))

    def test_same(self) -> None:
        """
        To become who one is, nothing has to be done.
        """
        self.as_(4711)
        orders = self.ordersOf("--uid", "4711", "web")
        self.assertEqual((orders.uid, orders.gid), (None, None))

    def test_others(self) -> None:
        """
        Nobody but root can have workers that are somebody else.
        """
        self.as_(4711)
        self.assertUsageError(["--uid", "0", "web"], "only root")
        self.assertUsageError(["--gid", "0", "web"], "only root")

    def test_twistdsOwn(self) -> None:
        """
        Twistd's own C{--uid} would take the right to change from the primary.
        """
        self.as_(0)
        self.outer = {"uid": 4711}
        self.assertUsageError(["--uid", "4711", "web"], "twistd's own")


class MakeServiceTests(OptionsCase):
    """
    Tests for L{makeService}.
    """

    def test_service(self) -> None:
        """
        The service is one, and does not run yet.
        """
        service = makeService(self.parse("-w", "2", "web"))
        self.assertTrue(IService.providedBy(service))
        self.assertFalse(service.running)

    def test_saysHowItCounted(self) -> None:
        """
        How C{auto} counted is logged; nothing is if it did not.
        """
        events: list[Any] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        makeService(self.parse("-w", "2", "web"))
        self.assertEqual(events, [])
        self.patch(
            plugin, "countWorkers", lambda: CPUCount(workers=17, reason="by hand")
        )
        makeService(self.parse("web"))
        [event] = events
        self.assertEqual((event["workers"], event["reason"]), (17, "by hand"))


class InstalledTests(SynchronousTestCase):
    """
    What Twisted finds.
    """

    def test_service(self) -> None:
        """
        C{twistd cluster} is there, with its options and its service.
        """
        [found] = [
            maker for maker in getPlugins(IServiceMaker) if maker.tapname == "cluster"
        ]
        maker: Any = found
        self.assertIs(maker.options, Options)
        self.assertIs(maker.makeService, makeService)

    def test_reactor(self) -> None:
        """
        C{--reactor=cluster} is there.
        """
        [found] = [
            installer
            for installer in getPlugins(IReactorInstaller)
            if installer.shortName == "cluster"
        ]
        installer: Any = found
        self.assertEqual(installer.moduleName, "twisted_cluster._reactor.plugin")

    def test_listingImportsNothing(self) -> None:
        """
        Listing plugins imports nothing of the package, and no reactor; parsing
        a whole command line still installs none.
        """
        script = (
            "import sys\n"
            "from twisted.plugin import getPlugins, IPlugin\n"
            "list(getPlugins(IPlugin))\n"
            "import twisted.plugins.twisted_cluster_plugin\n"
            "print([name for name in sys.modules if name.startswith('twisted_cluster')])\n"
            "from twisted_cluster._run.plugin import Options\n"
            "Options().parseOptions(['-w', '2', '--', '-m', 'this'])\n"
            "print('twisted.internet.reactor' in sys.modules)\n"
        )
        shown = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        self.assertEqual(shown, "[]\nFalse\n")

    def test_commandLines(self) -> None:
        """
        Twistd lists both, and ends with a message for what is wrong, before it
        has become a daemon.
        """
        for words, status, part in [
            (["--help"], 0, "cluster "),
            (["--help-reactors"], 0, "cluster\t"),
            (["cluster", "--help"], 0, "\nExamples:\n  twistd -n cluster"),
            (["cluster", "wbe"], 1, "did you mean 'web'?"),
        ]:
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    "from twisted.scripts.twistd import run; run()",
                    *words,
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(part, done.stdout)
