"""
Tests for the shape of the package: what imports what.

The rules are import-linter's contracts in C{pyproject.toml}.  A rule that
nobody has seen broken may be one that cannot be broken, so each of them is
also tried on a copy of the package with a mistake in it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import TestCase

import twisted_cluster

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(twisted_cluster.__path__[0])

LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"

# Prints what the reactor's module is once the statements before it have run.
REPORT = "; import sys; print(sys.modules.get('twisted.internet.reactor'))"

EVERY_MODULE = """
import importlib, pkgutil, twisted_cluster
from twisted_cluster.errors import NotAWorker
for module in pkgutil.walk_packages(twisted_cluster.__path__, "twisted_cluster."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except NotAWorker:
            pass
"""


def runPython(program: str, cwd: Path, *arguments: str) -> tuple[int, str]:
    """
    Run C{program} in an interpreter of its own, which finds packages in C{cwd}
    first.

    @return: Its exit status, and everything that it wrote.
    """
    finished = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return finished.returncode, finished.stdout


def lintImports(tree: Path) -> tuple[int, str]:
    """
    Check the contracts on the package in C{tree}.

    @return: The exit status and the report.
    """
    return runPython(
        LINT_IMPORTS, tree, "--config", str(ROOT / "pyproject.toml"), "--no-cache"
    )


class ContractTests(TestCase):
    """
    Tests for the contracts, on the package as it is.
    """

    def test_kept(self) -> None:
        """
        The package keeps to every contract.
        """
        status, report = lintImports(PACKAGE.parent)
        self.assertEqual(status, 0, report)
        self.assertIn(" 0 broken", report)


class BrokenContractTests(TestCase):
    """
    Tests for the contracts, on a copy of the package with a mistake in it.
    """

    def setUp(self) -> None:
        """
        Copy the package to where it may be spoilt.
        """
        self.tree = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.tree)
        shutil.copytree(
            PACKAGE,
            self.tree / "twisted_cluster",
            ignore=shutil.ignore_patterns("__pycache__"),
        )

    def assertBreaks(self, contract: str, **mistakes: str) -> None:
        """
        Assert that the contract is broken once each module has its mistake.

        @param contract: The contract's name.
        @param mistakes: By the path of a module in the package, with a double
            underscore for each slash and no suffix, the line to append to it.
        """
        for path, line in mistakes.items():
            module = self.tree / "twisted_cluster" / path.replace("__", "/")
            source = module / "__init__.py"
            if not module.is_dir():
                source = module.with_suffix(".py")
            with source.open("a") as file:
                file.write(f"\n{line}\n")
        status, report = lintImports(self.tree)
        self.assertEqual(status, 1, report)
        self.assertIn(f"{contract} BROKEN", report)

    def test_upwards(self) -> None:
        """
        A module may not import one of a layer above it.
        """
        self.assertBreaks(
            "Dependencies point down only",
            errors="import twisted_cluster.settings",
        )

    def test_acrossTheSides(self) -> None:
        """
        The primary's side may not import the worker's.
        """
        self.assertBreaks(
            "Dependencies point down only",
            _primary="import twisted_cluster._worker",
        )

    def test_acrossTheEdge(self) -> None:
        """
        The worker's side may not import the edge, even through a function.
        """
        self.assertBreaks(
            "Dependencies point down only",
            _worker="def borrow(): import twisted_cluster._reactor",
        )

    def test_moduleWithoutAPlace(self) -> None:
        """
        A new module has to be given its place among the layers.
        """
        self.assertBreaks(
            "Dependencies point down only", misplaced="import twisted_cluster.errors"
        )

    def test_doublesKnowASide(self) -> None:
        """
        The doubles may not be built on one of the sides they stand in for.
        """
        self.assertBreaks(
            "The doubles know the wire and the interfaces, not the sides",
            testing="import twisted_cluster._primary",
        )

    def test_decisionKnowsTwisted(self) -> None:
        """
        A module that decides may not import Twisted.
        """
        self.assertBreaks(
            "Decisions import no Twisted, even indirectly",
            scheduling="import twisted.internet.defer",
        )

    def test_decisionKnowsTwistedIndirectly(self) -> None:
        """
        Neither may it import a module that imports Twisted.
        """
        self.assertBreaks(
            "Decisions import no Twisted, even indirectly",
            _supervision="import twisted_cluster.events",
            events="import twisted.internet.defer",
        )

    def test_importsTheFacade(self) -> None:
        """
        A module inside the package may not import the package's facade.
        """
        self.assertBreaks(
            "No module imports the facade",
            _wire="from twisted_cluster import isPrimary",
        )

    def test_unpickling(self) -> None:
        """
        No module may import what makes objects of others' bytes.
        """
        for name in ("pickle", "marshal", "shelve"):
            self.assertBreaks(
                "Nothing that a peer sends can become code", _wire=f"import {name}"
            )

    def test_cycle(self) -> None:
        """
        Two modules of one sub-package may not import each other.
        """
        self.assertBreaks(
            "No cycles among siblings",
            _wire__one="import twisted_cluster._wire.two",
            _wire__two="import twisted_cluster._wire.one",
        )


class NoReactorTests(TestCase):
    """
    Tests for importing the package without choosing a reactor.
    """

    def test_facade(self) -> None:
        """
        Importing the package installs no reactor.
        """
        self.assertEqual(
            runPython("import twisted_cluster" + REPORT, PACKAGE.parent),
            (0, "None\n"),
        )

    def test_everyModule(self) -> None:
        """
        Neither does importing every module in it, except what only a worker
        can import.
        """
        self.assertEqual(
            runPython(EVERY_MODULE + REPORT.removeprefix("; "), PACKAGE.parent),
            (0, "None\n"),
        )

    def test_noticed(self) -> None:
        """
        The two tests above would notice.
        """
        status, report = runPython(
            "import twisted_cluster, twisted.internet.reactor" + REPORT, PACKAGE.parent
        )
        self.assertEqual(status, 0, report)
        self.assertNotIn("None", report)
