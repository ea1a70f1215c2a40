"""
Tests of L{twisted_cluster._wire.descriptors}.
"""

from __future__ import annotations

import os

from tests.unit.realreactor import DescriptorsCountedTestCase
from twisted_cluster._wire.descriptors import closeAll, inodeOf


class DescriptorTests(DescriptorsCountedTestCase):
    """
    Tests of L{inodeOf} and L{closeAll}.
    """

    def test_inode(self) -> None:
        """
        Duplicates of a socket have its inode, another socket has another.
        """
        ours, theirs = self.socketPair()
        duplicate = os.dup(ours.fileno())
        self.addCleanup(os.close, duplicate)
        self.assertEqual(inodeOf(duplicate), inodeOf(ours.fileno()))
        self.assertNotEqual(inodeOf(duplicate), inodeOf(theirs.fileno()))

    def test_closeAll(self) -> None:
        """
        Each is closed.
        """
        descriptors = os.pipe()
        closeAll(iter(descriptors))
        for descriptor in descriptors:
            with self.assertRaises(OSError):
                os.fstat(descriptor)
