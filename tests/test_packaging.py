"""
Tests for what is shipped, and for the two commands with which it begins.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import TestCase

ROOT = Path(__file__).resolve().parent.parent


def readmeCommands() -> list[str]:
    """
    The commands of the README, in order.
    """
    return re.findall(r"^ +\$ (.*)$", (ROOT / "README").read_text(), re.MULTILINE)


def readSetup() -> configparser.ConfigParser:
    """
    What is in C{setup.cfg}.
    """
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def runElsewhere(program: str, directory: str) -> subprocess.CompletedProcess[str]:
    """
    Run a program in C{directory}, where it finds only what is installed.
    """
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


class CommandTests(TestCase):
    """
    Tests for the two commands of the README.
    """

    def test_two(self) -> None:
        """
        There are two, and each is one line that needs only Python.
        """
        self.assertEqual(
            [command.split()[:3] for command in readmeCommands()],
            [["python3", "-m", "venv"]] * 2,
        )

    def test_main(self) -> None:
        """
        The first one serves something on several workers.
        """
        self.assertIn("twistd -n cluster --workers 4 ", readmeCommands()[0])

    def test_checks(self) -> None:
        """
        What the automatic checks run is the second one, word by word.
        """
        lines = (ROOT / ".ci" / "run").read_text().splitlines()
        self.assertEqual(lines[-1], readmeCommands()[1])
        self.assertEqual(lines[-2], "")

    def test_extras(self) -> None:
        """
        The extras that are named in commands and in C{tox.ini} exist.
        """
        named = {
            extra.strip()
            for command in readmeCommands()
            for extras in re.findall(r"\[([a-z,]+)\]", command)
            for extra in extras.split(",")
        }
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / "tox.ini")
        for section in tox.sections():
            extras = tox.get(section, "extras", fallback="")
            named.update(filter(None, re.split(r"[,\s]+", extras)))
        self.assertLessEqual({"tls", "test", "dev"}, named)
        self.assertLessEqual(named, set(readSetup().options("options.extras_require")))


class ContentTests(TestCase):
    """
    Tests for what is packaged.
    """

    def setUp(self) -> None:
        """
        Build a copy of the source, as a wheel is built, without packing it.
        """
        work = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, work)
        self.source = work / "source"
        self.built = work / "built"
        self.source.mkdir()
        for name in ("setup.cfg", "pyproject.toml", "README", "LICENSE", "MANIFEST.in"):
            shutil.copy(ROOT / name, self.source)
        for name in ("twisted_cluster", "twisted", "tests"):
            shutil.copytree(ROOT / name, self.source / name)
        # What Python and Twisted leave behind where they ran.
        cache = self.source / "twisted_cluster" / "__pycache__"
        cache.mkdir(exist_ok=True)
        cache.joinpath("stale.py").write_text("")
        self.source.joinpath("twisted", "plugins", "dropin.cache").write_bytes(b"")
        subprocess.run(
            [
                sys.executable,
                "-c",
                "import setuptools; setuptools.setup()",
                "--quiet",
                "build",
                "--build-lib",
                str(self.built),
            ],
            cwd=self.source,
            check=True,
            capture_output=True,
            timeout=120,
        )

    def test_complete(self) -> None:
        """
        Every module is packaged, the plugin and the marker of a typed package
        too, and nothing else: no test, no cache, and no C{__init__.py} in
        C{twisted}, which would hide Twisted.
        """
        expected = {
            path.relative_to(self.source)
            for pattern in ("twisted_cluster/**/*.py", "twisted/plugins/*.py")
            for path in self.source.glob(pattern)
            if "__pycache__" not in path.parts
        }
        expected.add(Path("twisted_cluster", "py.typed"))
        self.assertEqual(
            {
                path.relative_to(self.built)
                for path in self.built.rglob("*")
                if path.is_file()
            },
            expected,
        )
        self.assertFalse(list(self.built.glob("twisted/**/__init__.py")))


class EditableTests(TestCase):
    """
    Tests for working on the source where it is.
    """

    def test_plugin(self) -> None:
        """
        Twisted looks for plugins in the source's own directory.  It would not
        if each package were mapped by its name, as setuptools does for a flat
        layout unless C{package_dir} says otherwise.
        """
        elsewhere = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, elsewhere)
        found = runElsewhere(
            "import twisted_cluster; print(*twisted_cluster.__path__)", elsewhere
        )
        if found.stdout.strip() != str(ROOT / "twisted_cluster"):
            self.skipTest("not installed with pip install -e")
        searched = runElsewhere(
            "import twisted.plugins; print(*twisted.plugins.__path__, sep='\\n')",
            elsewhere,
        )
        self.assertIn(str(ROOT / "twisted" / "plugins"), searched.stdout.splitlines())
