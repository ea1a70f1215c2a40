"""
Tests for L{twisted_cluster._run.program}.

What a program is made to see is visible only to a process of its own, so most
of these run one; what they run ends by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from tests.unit._run.scratch import scratchDirectory
from twisted_cluster._run import program
from twisted_cluster._run.interpreter import SYS_PATH_VARIABLE
from twisted_cluster.errors import ConfigurationError, NotAWorker

WORKER = (
    "import sys; from twisted_cluster._run.program import runProgram; "
    "runProgram(sys.argv[1:])"
)

REPORT = """
import json, os, sys
loaded = "twisted.internet.reactor" in sys.modules
from twisted.internet import reactor
print(json.dumps({
    "argv": sys.argv,
    "path": sys.path,
    "name": __name__,
    "file": __file__,
    "isMain": sys.modules["__main__"].__dict__ is globals(),
    "package": __package__,
    "cwd": os.getcwd(),
    "umask": "%o" % os.umask(0),
    "reactor": type(reactor).__name__,
    "reactorLoaded": loaded,
    "environment": sorted(os.environ),
}))
"""

TAC = """
from twisted.application import service
from twisted.internet import reactor

class Once(service.Service):
    def startService(self):
        print("started in", type(reactor).__name__)
        reactor.callLater(0, reactor.stop)

application = service.Application("once")
Once().setServiceParent(application)
"""


class Finished:
    """
    How a program ended.
    """

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.output = done.stdout
        self.errors = done.stderr

    @property
    def report(self) -> dict[str, object]:
        """
        What L{REPORT} printed.
        """
        result: dict[str, object] = json.loads(self.output)
        return result


class ProgramCase(SynchronousTestCase):
    """
    A directory for programs, and a way to run them.
    """

    def setUp(self) -> None:
        """
        Make the directory.
        """
        self.directory = scratchDirectory(self)

    def write(self, name: str, source: str) -> str:
        """
        Write a file of Python, and return its path.
        """
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(dedent(source))
        return path

    def run_(self, *words: str, sysPath: list[str] | None = None) -> Finished:
        """
        Run a process as a worker would be, inside the directory.
        """
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        # With it nothing would have to be done for output to come at once.
        environment.pop("PYTHONUNBUFFERED", None)
        if sysPath is not None:
            environment[SYS_PATH_VARIABLE] = json.dumps(sysPath)
        return Finished(
            subprocess.run(
                [sys.executable, "-c", WORKER, *words],
                cwd=self.directory,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        )


class ScriptTests(ProgramCase):
    """
    A script runs as C{python FILE} would run it.
    """

    def test_surroundings(self) -> None:
        """
        It finds what it would find if it were run alone: its arguments, its
        name, its own directory first on C{sys.path}, and no reactor yet.  What
        the primary passed for us is gone from the environment.
        """
        path = self.write("folder/app.py", REPORT)
        report = self.run_("script", "--", path, "-x", "y", sysPath=["/p"]).report
        self.assertEqual(report["argv"], [path, "-x", "y"])
        self.assertEqual((report["name"], report["file"]), ("__main__", path))
        self.assertEqual((report["isMain"], report["package"]), (True, None))
        found = report["path"]
        assert isinstance(found, list)
        self.assertEqual(found[0], os.path.dirname(path))
        self.assertNotIn("/p", found)
        self.assertEqual(report["cwd"], self.directory)
        self.assertIs(report["reactorLoaded"], False)
        environment = report["environment"]
        assert isinstance(environment, list)
        self.assertNotIn(SYS_PATH_VARIABLE, environment)

    def test_ordered(self) -> None:
        """
        The reactor, the directory and the permissions are as ordered.
        """
        path = self.write("app.py", REPORT)
        os.mkdir(os.path.join(self.directory, "run"))
        report = self.run_(
            "script", "--reactor=select", "--rundir=run", "--umask=31", "--", path
        ).report
        self.assertEqual(report["reactor"], "SelectReactor")
        self.assertIs(report["reactorLoaded"], False)
        self.assertEqual(report["cwd"], os.path.join(self.directory, "run"))
        self.assertEqual(report["umask"], "31")

    def test_ownReactor(self) -> None:
        """
        A program that installs its own reactor has that one, whatever was
        ordered.
        """
        path = self.write(
            "app.py",
            """
            from twisted.internet import pollreactor
            pollreactor.install()
            from twisted.internet import reactor
            print(type(reactor).__name__)
            """,
        )
        finished = self.run_("script", "--reactor=select", "--", path)
        self.assertEqual((finished.output, finished.errors), ("PollReactor\n", ""))

    def test_status(self) -> None:
        """
        Its exit status is the process's.
        """
        path = self.write("app.py", "import sys\nsys.exit(7)\n")
        self.assertEqual(self.run_("script", "--", path).status, 7)

    def test_failure(self) -> None:
        """
        An exception is printed as Python does, from the script's first line on,
        and the status is 1.
        """
        path = self.write("app.py", "def f():\n    raise KeyError('k')\nf()\n")
        finished = self.run_("script", "--", path)
        self.assertEqual(finished.status, 1)
        alone = subprocess.run(
            [sys.executable, path], capture_output=True, text=True, check=False
        )
        self.assertEqual(finished.errors, alone.stderr)

    def test_syntaxError(self) -> None:
        """
        So is a mistake in its syntax.
        """
        path = self.write("app.py", "def f(:\n")
        finished = self.run_("script", "--", path)
        alone = subprocess.run(
            [sys.executable, path], capture_output=True, text=True, check=False
        )
        self.assertEqual((finished.status, finished.errors), (1, alone.stderr))
        self.assertIn("SyntaxError", finished.errors)

    def test_ownHook(self) -> None:
        """
        A program's own C{sys.excepthook} is called.
        """
        path = self.write(
            "app.py",
            """
            import sys
            sys.excepthook = lambda kind, error, traceback: print("hooked", error)
            raise ValueError("oh")
            """,
        )
        finished = self.run_("script", "--", path)
        self.assertEqual((finished.status, finished.output), (1, "hooked oh\n"))

    def test_encoding(self) -> None:
        """
        A script may be written in any encoding that it declares.
        """
        path = self.write("app.py", "")
        with open(path, "wb") as file:
            file.write(b"# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))\n")
        self.assertEqual(self.run_("script", "--", path).output, "'\\xe9'\n")

    def test_future(self) -> None:
        """
        A script has only the features of the future that it asks for itself.
        """
        path = self.write("app.py", "x: int = 1\nprint(__annotations__)\n")
        self.assertEqual(
            self.run_("script", "--", path).output, "{'x': <class 'int'>}\n"
        )

    def test_linesAtOnce(self) -> None:
        """
        What it prints can be read while it runs, line by line.
        """
        path = self.write("app.py", "import os\nprint('here')\nos._exit(0)\n")
        self.assertEqual(self.run_("script", "--", path).output, "here\n")

    def test_group(self) -> None:
        """
        The user and the group change before the script runs.
        """
        if os.geteuid() != 0:
            raise self.skipTest("only root can become somebody else")
        path = self.write("app.py", "import os\nprint(os.getresuid(), os.getresgid())")
        os.chmod(path, 0o644)
        finished = self.run_("script", "--gid=65534", "--", path)
        self.assertEqual(
            finished.output, "(0, 0, 0) (65534, 65534, 65534)\n", finished.errors
        )

    def test_cannotBecome(self) -> None:
        """
        Nobody's place is taken by somebody else: if the change fails, the
        program does not run.
        """
        path = self.write("app.py", "print('ran')")
        finished = self.run_("script", "--uid=4294967294", "--", path)
        self.assertEqual((finished.status, finished.output), (1, ""))
        self.assertIn("cannot become uid 4294967294", finished.errors)


class ModuleTests(ProgramCase):
    """
    A module runs as C{python -m} would run it.
    """

    def test_surroundings(self) -> None:
        """
        It is C{__main__}, in its package, with its arguments.
        """
        self.write("package/__init__.py", "")
        path = self.write("package/program.py", REPORT)
        report = self.run_("module", "--", "package.program", "-x").report
        self.assertEqual(report["argv"], [path, "-x"])
        self.assertEqual((report["name"], report["package"]), ("__main__", "package"))
        self.assertIs(report["isMain"], True)

    def test_failure(self) -> None:
        """
        An exception is printed without frames of ours, and the status is 1.
        """
        self.write("failing.py", "raise KeyError('k')\n")
        finished = self.run_("module", "--", "failing")
        self.assertEqual(finished.status, 1)
        self.assertIn("KeyError: 'k'", finished.errors)
        self.assertNotIn("twisted_cluster", finished.errors)


class TwistdTests(ProgramCase):
    """
    Everything else is run by the real twistd.
    """

    def assertLogged(self, finished: Finished, line: str) -> None:
        """
        Assert that a line was logged as the primary wants it, by a program that
        ended well and left no file.
        """
        self.assertEqual((finished.status, finished.errors), (0, ""), finished.output)
        self.assertIn(line, finished.output.splitlines())
        left = {name for name in os.listdir(self.directory) if name != "__pycache__"}
        self.assertEqual(left & {"twistd.pid", "twistd.log"}, set())

    def test_tac(self) -> None:
        """
        A C{.tac} file runs, on the ordered reactor.
        """
        path = self.write("site.tac", TAC)
        finished = self.run_("tac", "--reactor=select", "--", path)
        self.assertLogged(finished, "[stdout#info] started in SelectReactor")

    def test_attribute(self) -> None:
        """
        C{package.module:attribute} runs from the directory that the worker was
        started in, also where the primary does not look for modules.
        """
        self.write("site_.py", TAC)
        finished = self.run_("attribute", "--", "site_:application", sysPath=sys.path)
        self.assertLogged(finished, "[stdout#info] started in EPollReactor")

    def test_plugin(self) -> None:
        """
        A plugin is found where the primary finds it, and runs with its own
        arguments.
        """
        self.write(
            "primarys/once.py",
            TAC
            + dedent(
                """
                from twisted.python import usage

                class Options(usage.Options):
                    optParameters = [["word", None, ""]]

                def makeService(options):
                    print("makes", options["word"], flush=True)
                    return Once()
                """
            ),
        )
        self.write(
            "primarys/twisted/plugins/once_plugin.py",
            """
            from twisted.application.service import ServiceMaker
            once = ServiceMaker("once", "once", "Runs once.", "once")
            """,
        )
        path = [os.path.join(self.directory, "primarys"), *sys.path]
        finished = self.run_("twistd", "--", "once", "--word", "that", sysPath=path)
        self.assertLogged(finished, "[stdout#info] started in EPollReactor")
        self.assertIn("makes that\n", finished.output)

    def test_processName(self) -> None:
        """
        An application with a process name runs in this very process; twistd
        would start the interpreter again, without our reactor.
        """
        path = self.write(
            "site.tac",
            TAC + "service.IProcess(application).processName = 'named'\n",
        )
        self.assertLogged(
            self.run_("tac", "--", path), "[stdout#info] started in EPollReactor"
        )

    def test_ownObserver(self) -> None:
        """
        An application that brings its own log observer logs with that one.
        """
        path = self.write(
            "site.tac",
            TAC
            + dedent(
                """
                from twisted.logger import ILogObserver, textFileLogObserver
                application.setComponent(
                    ILogObserver, textFileLogObserver(open("own.log", "a"))
                )
                """
            ),
        )
        finished = self.run_("tac", "--", path)
        self.assertEqual((finished.status, finished.output), (0, ""))
        with open(os.path.join(self.directory, "own.log"), encoding="utf-8") as log:
            self.assertIn("started in EPollReactor", log.read())

    def test_failure(self) -> None:
        """
        An application that cannot be imported is reported as Python reports it,
        from the first line of its own, with status 1 and no file left.
        """
        for words, name in [
            (("tac", "--", self.write("site.tac", "import nothere\n")), "site.tac"),
            (("attribute", "--", "site_:app"), "site_.py"),
        ]:
            path = self.write(name, "import nothere\n")
            finished = self.run_(*words)
            self.assertEqual((finished.status, finished.output), (1, ""))
            self.assertEqual(
                finished.errors.splitlines(),
                [
                    "Traceback (most recent call last):",
                    f'  File "{path}", line 1, in <module>',
                    "    import nothere",
                    "ModuleNotFoundError: No module named 'nothere'",
                ],
            )
        self.assertEqual(
            set(os.listdir(self.directory)) - {"__pycache__"}, {"site.tac", "site_.py"}
        )

    def test_wrongObject(self) -> None:
        """
        What cannot be run is refused with one line and status 1.
        """
        self.write("site_.py", "app = 5\n")
        finished = self.run_("attribute", "--", "site_:app")
        self.assertEqual(finished.status, 1)
        [line] = finished.errors.splitlines()
        self.assertIn("site_:app is an object of the class builtins.int", line)

    def test_startFails(self) -> None:
        """
        If the application cannot start, the status is 1.
        """
        self.write("site_.py", "def app(reactor):\n    raise ValueError('not now')\n")
        finished = self.run_("attribute", "--", "site_:app")
        self.assertEqual(finished.status, 1)
        self.assertIn("[stderr#error] ValueError: not now", finished.output)

    def test_failsLater(self) -> None:
        """
        If a coroutine function fails while the program runs, it stops in order,
        and the status is 1.
        """
        self.write(
            "site_.py",
            """
            from twisted.internet.task import deferLater

            async def app(reactor):
                await deferLater(reactor, 0)
                raise ValueError('not any more')
            """,
        )
        finished = self.run_("attribute", "--", "site_:app")
        self.assertEqual((finished.status, finished.errors), (1, ""))
        self.assertIn("ValueError: not any more", finished.output)
        self.assertIn("Server Shut Down.", finished.output)


class InProcessTests(SynchronousTestCase):
    """
    What does not need a process of its own.
    """

    def test_notOrders(self) -> None:
        """
        Words that are no orders run nothing.
        """
        self.assertRaises(ConfigurationError, program.runProgram, ["bogus"])

    def test_noOrders(self) -> None:
        """
        Only a worker can load what was ordered.
        """
        self.assertRaises(NotAWorker, program.loadOrderedApplication)
