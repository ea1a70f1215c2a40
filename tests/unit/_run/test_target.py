"""
Tests for L{twisted_cluster._run.target}.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from tests.unit._run.scratch import scratchDirectory
from twisted_cluster._run.orders import ProgramKind
from twisted_cluster._run.target import (
    AttributeTarget,
    ModuleTarget,
    PluginTarget,
    ScriptTarget,
    TacTarget,
    Target,
    resolveTarget,
)
from twisted_cluster.errors import TargetError

NOBODY = 65534

TAPNAMES = ["web", "dns", "conch"]


class ResolveTargetTests(SynchronousTestCase):
    """
    Tests for L{resolveTarget}.
    """

    def setUp(self) -> None:
        """
        Make a directory to be in.
        """
        self.directory = FilePath(scratchDirectory(self))

    def file(self, name: str, content: bytes = b"") -> str:
        """
        Write a file, and return its path.
        """
        path = self.directory.preauthChild(name)
        if not path.parent().exists():
            path.parent().makedirs()
        path.setContent(content)
        return str(path.path)

    def resolve(self, target: str, *arguments: str) -> Target:
        """
        Resolve as from inside the directory.
        """
        return resolveTarget(target, arguments, TAPNAMES, str(self.directory.path))

    def assertRefused(
        self, target: str, *parts: str, arguments: Sequence[str] = ()
    ) -> None:
        """
        Assert that a target is refused with a message that has these parts.
        """
        with self.assertRaises(TargetError) as caught:
            self.resolve(target, *arguments)
        for part in parts:
            self.assertIn(part, str(caught.exception))

    # -- plugins

    def test_plugin(self) -> None:
        """
        The name of a plugin is a plugin, with everything behind it.
        """
        target = self.resolve("web", "--path", ".")
        self.assertEqual(target, PluginTarget("web", ("--path", ".")))
        self.assertEqual(target.kind, ProgramKind.TWISTD)
        self.assertEqual(target.program, ("web", "--path", "."))

    def test_pluginBeforeFile(self) -> None:
        """
        A plugin is not hidden by a file or directory of its name.
        """
        self.file("web", b"#!/usr/bin/python\n")
        self.assertEqual(self.resolve("web"), PluginTarget("web"))

    def test_unknown(self) -> None:
        """
        What is nothing is refused; the message says what was looked for, and
        suggests a plugin with a name that is nearly the same.
        """
        self.assertRefused("wbe", "'wbe'", "plugin", "file", "did you mean 'web'?")

    def test_unknownModule(self) -> None:
        """
        Where no plugin is near, the message says how to name a module.
        """
        self.assertRefused("package.module", "package.module:NAME", "-- -m package")

    def test_unknownOption(self) -> None:
        """
        An option where the target belongs is not taken for a program.
        """
        self.assertRefused("-c", "'-c'", "-m MODULE")

    # -- files

    def test_tac(self) -> None:
        """
        A C{.tac} file is one, by its absolute path.
        """
        path = self.file("site.tac")
        target = self.resolve("site.tac")
        self.assertEqual(target, TacTarget(path))
        self.assertEqual((target.kind, target.program), (ProgramKind.TAC, (path,)))

    def test_tacWithArguments(self) -> None:
        """
        A C{.tac} file cannot be given arguments.
        """
        self.file("site.tac")
        self.assertRefused(
            "site.tac", "no arguments", "'--port 80'", arguments=("--port", "80")
        )

    def test_script(self) -> None:
        """
        A C{.py} file is a script, with everything behind it.
        """
        path = self.file("app.py")
        target = self.resolve("./app.py", "-x")
        self.assertEqual(target, ScriptTarget(path, ("-x",)))
        self.assertEqual(target.kind, ProgramKind.SCRIPT)
        self.assertEqual(target.program, (path, "-x"))

    def test_consoleScripts(self) -> None:
        """
        A file that begins as installed Python programs begin is a script.
        """
        for number, beginning in enumerate(
            [
                b"#!/usr/bin/python3\n",
                b"#!/usr/bin/env python\n",
                b"#! /opt/venv/bin/python3.12 -E\n",
                b'#!"/with space/python3"\n',
                b"#!/usr/bin/pypy3\n",
                b'#!/bin/sh\n\'\'\'exec\' "/very long/bin/python3" "$0" "$@"\n',
            ]
        ):
            path = self.file(f"bin/app{number}", beginning + b"pass\n")
            self.assertEqual(self.resolve(f"bin/app{number}"), ScriptTarget(path))

    def test_otherPrograms(self) -> None:
        """
        Another program is refused: it would never listen through the primary.
        """
        for number, beginning in enumerate(
            [
                b"\x7fELF",
                b"#!/bin/sh\necho python\n",
                b"#!/usr/bin/perl\n",
                b"#!/opt/python/bin/ruby\n",
                b"#!/usr/bin/pythonic\n",
                b"",
            ]
        ):
            path = self.file(f"other{number}", beginning)
            self.assertRefused(f"other{number}", path, "no Python program")

    def test_missing(self) -> None:
        """
        A file that is not there is refused with its whole path.
        """
        for name in ("missing.py", "missing.tac"):
            path = str(self.directory.child(name).path)
            self.assertRefused(name, f"there is no file {path}")

    def test_dangling(self) -> None:
        """
        A link to nowhere is no file either.
        """
        os.symlink("nowhere", str(self.directory.child("link").path))
        self.assertRefused("link", "there is no file")

    def test_directory(self) -> None:
        """
        A directory is refused.
        """
        self.file("folder/app.py")
        self.assertRefused("folder", "is a directory")

    def test_unreadable(self) -> None:
        """
        A file that cannot be read is refused with the reason.
        """
        directory = tempfile.mkdtemp(prefix="secret-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        self.directory = FilePath(directory)
        path = self.file("secret.py")
        os.chmod(path, 0)
        if os.geteuid() == 0:
            # Who can read everything: not the superuser, for a moment.
            self.addCleanup(os.seteuid, 0)
            os.seteuid(NOBODY)
        self.assertRefused("secret.py", path, "Permission denied")

    # -- modules

    def test_module(self) -> None:
        """
        C{-m} runs a module that lies in the directory.
        """
        self.file("package/__init__.py")
        self.file("package/program.py")
        target = self.resolve("-m", "package.program", "-m", "x")
        self.assertEqual(target, ModuleTarget("package.program", ("-m", "x")))
        self.assertEqual(target.kind, ProgramKind.MODULE)
        self.assertEqual(target.program, ("package.program", "-m", "x"))

    def test_installedModule(self) -> None:
        """
        C{-m} runs a module that is installed, also a builtin one.
        """
        for name in ("twisted.trial", "sys"):
            self.assertEqual(self.resolve("-m", name), ModuleTarget(name))

    def test_namespacePackage(self) -> None:
        """
        A package needs no C{__init__.py}.
        """
        self.file("space/program.py")
        self.assertEqual(
            self.resolve("-m", "space.program"), ModuleTarget("space.program")
        )

    def test_noModule(self) -> None:
        """
        C{-m} alone is refused.
        """
        self.assertRefused("-m", "name the module")

    def test_missingModules(self) -> None:
        """
        A module that is not there is refused, with the part that is missing.
        """
        self.file("package/__init__.py")
        self.file("plain.py")
        for name, part in [
            ("nowhere", "no module nowhere "),
            ("package.nowhere", "no module package.nowhere "),
            ("package.nowhere.deeper", "no module package.nowhere "),
            ("plain.deeper", "plain is no package"),
            ("not-a-name", "no name of a module"),
            ("app.py/x", "no name of a module"),
        ]:
            self.assertRefused("-m", part, arguments=(name,))
            self.assertRefused(f"{name}:app", part)

    def test_attribute(self) -> None:
        """
        C{package.module:attribute} is looked for as far as the module goes;
        attributes of attributes are the worker's to find.
        """
        self.file("package/__init__.py")
        self.file("package/site.py")
        target = self.resolve("package.site:app.root")
        self.assertEqual(target, AttributeTarget("package.site", "app.root"))
        self.assertEqual(target.kind, ProgramKind.ATTRIBUTE)
        self.assertEqual(target.program, ("package.site:app.root",))

    def test_noAttribute(self) -> None:
        """
        A module's name and a colon alone are refused, as is what is no name.
        """
        self.file("site_.py")
        for target in ("site_:", "site_:a..b", "site_:a()"):
            self.assertRefused(target, repr(target), "package.module:attribute")

    def test_attributeWithArguments(self) -> None:
        """
        An attribute cannot be given arguments.
        """
        self.file("site_.py")
        self.assertRefused("site_:app", "no arguments", arguments=("x",))

    def test_nothingIsImported(self) -> None:
        """
        The application is not imported, nor is its package.
        """
        self.file("neverimported/__init__.py", b"raise SystemExit('imported')")
        self.file("neverimported/site.py")
        self.resolve("neverimported.site:app")
        self.resolve("-m", "neverimported.site")
        self.assertNotIn("neverimported", sys.modules)
