"""
Tests of L{twisted_cluster.scheduling.policy} and of the guide to writing one.
"""

from __future__ import annotations

import doctest
from unittest import TestCase

from zope.interface.verify import verifyObject

from twisted_cluster import scheduling
from twisted_cluster.scheduling import ISchedulingPolicy, RoundRobin


class PolicyTests(TestCase):
    """
    Tests of the policies that there are.
    """

    def test_interface(self) -> None:
        """
        Round robin is a policy.
        """
        self.assertTrue(verifyObject(ISchedulingPolicy, RoundRobin()))

    def test_guide(self) -> None:
        """
        The guide's example of a policy works as the guide shows.
        """
        results = doctest.testmod(scheduling)
        self.assertEqual(results.failed, 0)
        self.assertGreater(results.attempted, 5)
