"""
Tests of L{twisted_cluster.events}.
"""

from __future__ import annotations

from unittest import TestCase

from twisted_cluster.events import ListeningAddress, WorkerExit


class WorkerExitTests(TestCase):
    """
    Tests of L{WorkerExit}.
    """

    def test_words(self) -> None:
        """
        An exit reads as a sentence would say it.
        """
        for code, signal, words in (
            (0, None, "exit status 0"),
            (None, "SIGKILL", "killed by SIGKILL"),
            (None, None, "it could not be started"),
        ):
            self.assertEqual(str(WorkerExit(code=code, signal=signal)), words)


class ListeningAddressTests(TestCase):
    """
    Tests of L{ListeningAddress}.
    """

    def test_equal(self) -> None:
        """
        Addresses are compared by what they say.
        """
        one = ListeningAddress(address=None, port=80, addressType=4)
        self.assertEqual(one, ListeningAddress(address=None, port=80, addressType=4))
        self.assertNotEqual(
            one, ListeningAddress(address=None, port=80, addressType="udp4")
        )
