"""
Tests of L{twisted_cluster._wire.reserved}.
"""

from __future__ import annotations

from unittest import TestCase

from twisted.protocols.amp import Command, Descriptor

from twisted_cluster._primary.workerlink import WorkerLink
from twisted_cluster._wire.lanes import Delivered
from twisted_cluster._wire.messaging import Messages
from twisted_cluster._wire.questions import Questions
from twisted_cluster._wire.reserved import requirePossible, reserved
from twisted_cluster._worker.primarylink import PrimaryLink
from twisted_cluster.errors import ConfigurationError


class Turn(Command):
    """
    A command of an application's, which is called as one of the package's is.
    """


class Carrying(Command):
    """
    One that carries a descriptor.
    """

    arguments = [(b"descriptor", Descriptor())]


class Taken(Command):
    """
    One that has such a name on the wire.
    """

    commandName = reserved("Turn")


class ReservedTests(TestCase):
    """
    Tests of the names.
    """

    def test_commands(self) -> None:
        """
        All commands that travel with the application's have reserved names.
        """
        names = [
            *WorkerLink._responders,
            *PrimaryLink._responders,
            *(each.commandName for each in (Messages, Questions, Delivered)),
        ]
        self.assertEqual(len(names), 8)
        for name in names:
            self.assertEqual(name[:8], b"cluster:")

    def test_applications(self) -> None:
        """
        No class of an application's has such a name, unless it is given one; that is
        refused.
        """
        requirePossible(Turn)
        with self.assertRaisesRegex(ConfigurationError, "another commandName"):
            requirePossible(Taken)

    def test_descriptors(self) -> None:
        """
        What cannot travel in this way is refused, too.
        """
        with self.assertRaisesRegex(ConfigurationError, "with a message"):
            requirePossible(Carrying)
