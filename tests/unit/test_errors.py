"""
Tests of L{twisted_cluster.errors}.
"""

from __future__ import annotations

import errno
import os
import pickle
import re
from unittest import TestCase

from twisted_cluster import errors
from twisted_cluster.errors import ClusterError, FailedToStart, ListenRefused


class TreeTests(TestCase):
    """
    The exceptions together.
    """

    def drawn(self, parent: type[Exception], indent: str = "    ") -> list[str]:
        """
        The names below an exception, as the docstring draws them.
        """
        lines = []
        children = [
            child
            for child in parent.__subclasses__()
            if child.__module__ == errors.__name__
        ]
        for child in children:
            lines.append(f"{indent}+-- {child.__name__}")
            more = "    " if child is children[-1] else "|   "
            lines += self.drawn(child, indent + more)
        return lines

    def test_docstring(self) -> None:
        """
        The module's docstring draws every exception, where it is.
        """
        assert errors.__doc__ is not None
        drawing = re.findall(r"^ .*\+-- \w+", errors.__doc__, re.MULTILINE)
        self.assertEqual(drawing, self.drawn(ClusterError))

    def test_docstrings(self) -> None:
        """
        Each tells the operator what happened.
        """
        for name in dir(errors):
            error = getattr(errors, name)
            if isinstance(error, type) and issubclass(error, Exception):
                self.assertTrue((error.__doc__ or "").strip(), name)


class ListenRefusedTests(TestCase):
    """
    Tests of L{ListenRefused}.
    """

    def test_reason(self) -> None:
        """
        It knows the kernel's words, unless it is given better ones.
        """
        refused = ListenRefused(errno.EADDRINUSE)
        self.assertEqual(refused.errno, errno.EADDRINUSE)
        self.assertEqual(refused.reason, os.strerror(errno.EADDRINUSE))
        self.assertEqual(ListenRefused(5, "better").reason, "better")

    def test_words(self) -> None:
        """
        It reads as the kernel's errors do.
        """
        self.assertEqual(str(ListenRefused(5, "better")), "[Errno 5] better")

    def test_pickle(self) -> None:
        """
        It can be sent to where it is needed.
        """
        copy = pickle.loads(pickle.dumps(ListenRefused(5, "better")))
        self.assertEqual((copy.errno, copy.reason), (5, "better"))


class FailedToStartTests(TestCase):
    """
    Tests of L{FailedToStart}.
    """

    def test_words(self) -> None:
        """
        It says which worker, and how it ended.
        """
        failed = FailedToStart(3, "exit status 1")
        self.assertEqual((failed.workerID, failed.ending), (3, "exit status 1"))
        self.assertIn("worker 3", str(failed))
        self.assertIn("(exit status 1)", str(failed))
