"""
Tests of L{twisted_cluster._reactor.inheriting}.
"""

from __future__ import annotations

import os

from twisted.internet import endpoints
from twisted.python.systemd import ListenFDs

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._reactor.inheriting import (
    givenToThisProcess,
    inheritable,
    inheritFrom,
)


class InheritingTests(DescriptorsCountedTestCase):
    """
    What systemd gave.
    """

    def setUp(self) -> None:
        """
        Nothing yet.
        """
        super().setUp()
        self.patch(endpoints._SystemdParser, "_sddaemon", ListenFDs([]))
        for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
            self.patchVariable(name, None)

    def patchVariable(self, name: str, value: str | None) -> None:
        """
        Change the environment, until the end of the test.
        """
        before = os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value

        def restore() -> None:
            os.environ.pop(name, None)
            if before is not None:
                os.environ[name] = before

        self.addCleanup(restore)

    def test_given(self) -> None:
        """
        The primary knows what it was given, though the environment was asked
        before and does not tell twice.
        """
        self.assertEqual(givenToThisProcess(), [])
        self.patch(endpoints._SystemdParser, "_sddaemon", ListenFDs([3, 4]))
        self.assertEqual(givenToThisProcess(), [3, 4])

    def test_passedOn(self) -> None:
        """
        What a primary puts into a worker's environment is what the worker takes
        over; its endpoints find it, and what it starts does not have it.
        """
        # The lowest number that is free, unless something has it already.
        free = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, free)
        self.addCleanup(os.set_inheritable, 3, os.get_inheritable(3))
        os.set_inheritable(3, True)
        for name, value in inheritable([3]).items():
            self.patchVariable(name, value)
        self.patchVariable("LISTEN_FDNAMES", "site")
        self.assertEqual(inheritFrom(os.getpid()), {3: os.fstat(3).st_ino})
        self.assertEqual(givenToThisProcess(), [3])
        self.assertFalse(os.get_inheritable(3))

    def test_nothing(self) -> None:
        """
        Without systemd there is nothing to pass on.
        """
        self.assertEqual(inheritable([]), {})
        self.assertEqual(inheritFrom(os.getpid()), {})

    def test_somebodyElses(self) -> None:
        """
        What was given to another process is not taken over.
        """
        self.patchVariable("LISTEN_PID", "1")
        self.patchVariable("LISTEN_FDS", "1")
        self.assertEqual(inheritFrom(os.getpid()), {})
        self.assertEqual(os.environ["LISTEN_PID"], "1")
