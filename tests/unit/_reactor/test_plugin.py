"""
Tests of L{twisted_cluster._reactor.plugin}.
"""

from __future__ import annotations

import subprocess
import sys

from twisted.application.reactors import Reactor, getReactorTypes
from twisted.internet import default
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._reactor import plugin

INSTALLED = """
from twisted.application.reactors import installReactor
print(type(installReactor("cluster")).__name__)
from twisted.internet import reactor
print(type(reactor).__name__)
"""


class PluginTests(SynchronousTestCase):
    """
    Tests of L{plugin}.
    """

    def test_default(self) -> None:
        """
        It installs the platform's usual reactor.
        """
        installed: list[None] = []
        self.patch(default, "install", lambda: installed.append(None))
        plugin.install()
        self.assertEqual(len(installed), 1)

    def test_found(self) -> None:
        """
        Twisted finds it by its name.
        """
        [found] = [each for each in getReactorTypes() if each.shortName == "cluster"]
        assert isinstance(found, Reactor)
        self.assertEqual(found.moduleName, plugin.__name__)

    def test_installed(self) -> None:
        """
        Outside of a worker C{--reactor=cluster} is the default reactor.
        """
        output = subprocess.run(
            [sys.executable, "-c", INSTALLED],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        usual = subprocess.run(
            [sys.executable, "-c", INSTALLED.split("\n", 3)[3]],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        self.assertEqual(output.split(), usual.split() * 2)
