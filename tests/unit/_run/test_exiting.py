"""
Tests for L{twisted_cluster._run.exiting}.

They run the real C{twistd} and C{twist}: the exit status is what those would
otherwise decide.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from textwrap import dedent

from twisted.trial.unittest import SynchronousTestCase

from tests.unit._run.scratch import scratchDirectory

TWISTD = "from twisted.scripts.twistd import run; import sys; sys.exit(run())"
TWIST = (
    "from twisted.application.twist._twist import Twist; import sys; "
    "sys.exit(Twist.main(['twist', *sys.argv[1:]]))"
)

PLUGIN = """
import atexit
import sys
from twisted.application.service import Service
from twisted.python.usage import Options
from twisted_cluster._run.exiting import exitNonZero

atexit.register(sys.__stdout__.write, "registered before, ")

class Failing(Service):
    def startService(self):
        from twisted.internet import reactor
        if "later" in sys.argv:
            reactor.callLater(0, self.fail, reactor)
        elif "twice" in sys.argv:
            reactor.callLater(0, self.fail, reactor)
            reactor.callLater(0, reactor.stop)
        else:
            self.fail(reactor)

    def fail(self, reactor):
        exitNonZero(reactor, 3)
        atexit.register(sys.__stdout__.write, "registered behind, ")

    def stopService(self):
        sys.__stdout__.write("service stopped\\n")

class Options(Options):
    def parseArgs(self, when):
        pass

def makeService(options):
    return Failing()
"""

NAMING = """
from twisted.application.service import ServiceMaker
failing = ServiceMaker("failing", "failing", "Fails.", "failing")
"""

REAPING = """
import ctypes, os, subprocess, sys
# What a daemon leaves behind comes to us instead of to init.
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
started = subprocess.run([sys.executable, *sys.argv[1:]], timeout=60).returncode
statuses = []
while True:
    try:
        statuses.append(os.waitstatus_to_exitcode(os.wait()[1]))
    except ChildProcessError:
        break
# The daemon, and its parent between us and it, which ends with 0.
print(started, sorted(statuses))
"""


class ExitNonZeroTests(SynchronousTestCase):
    """
    Tests for L{twisted_cluster._run.exiting.exitNonZero}.
    """

    def setUp(self) -> None:
        """
        Install a plugin whose service fails.
        """
        self.directory = scratchDirectory(self)
        plugins = os.path.join(self.directory, "twisted", "plugins")
        os.makedirs(plugins)
        for path, content in [
            (os.path.join(self.directory, "failing.py"), PLUGIN),
            (os.path.join(plugins, "failing_plugin.py"), NAMING),
        ]:
            with open(path, "w", encoding="utf-8") as file:
                file.write(dedent(content))

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """
        Run Python where the plugin is found.
        """
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([self.directory, *sys.path]),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def assertEndedInOrder(self, done: subprocess.CompletedProcess[str]) -> None:
        """
        Assert that everything happened that should, and the status is that of
        the failure.
        """
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("service stopped\n", done.stdout)
        # The last words of all, not even ended by a line break.
        self.assertEqual(
            re.findall(r"registered \w+, ", done.stdout),
            ["registered behind, ", "registered before, "],
        )
        self.assertFalse(os.path.exists(os.path.join(self.directory, "twistd.pid")))

    def test_twistd(self) -> None:
        """
        Under twistd, services stop, the pid file is removed, what is registered
        to run at exit runs, and the status is the one that was chosen.
        """
        for when in ("later", "beforeRunning", "twice"):
            self.assertEndedInOrder(self.python("-c", TWISTD, "-n", "failing", when))

    def test_twist(self) -> None:
        """
        So it is under twist.
        """
        self.assertEndedInOrder(self.python("-c", TWIST, "failing", "later"))

    def test_daemon(self) -> None:
        """
        So it is in a daemon, which leaves no pid file, and a log that ends as
        always.
        """
        if not sys.platform.startswith("linux"):
            raise self.skipTest("only Linux gives us a daemon's exit status")
        done = self.python("-c", REAPING, "-c", TWISTD, "failing", "later")
        self.assertEqual((done.stdout, done.stderr), ("0 [0, 3]\n", ""))
        self.assertFalse(os.path.exists(os.path.join(self.directory, "twistd.pid")))
        with open(os.path.join(self.directory, "twistd.log"), encoding="utf-8") as log:
            self.assertIn("Server Shut Down.", log.read())
