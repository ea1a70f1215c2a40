"""
Tests for L{twisted_cluster._run.orders}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_cluster._run.orders import ProgramKind, WorkerOrders
from twisted_cluster.errors import ConfigurationError

ORDERS = st.builds(
    WorkerOrders,
    kind=st.sampled_from(ProgramKind),
    program=st.lists(st.text()).map(tuple),
    reactor=st.none() | st.text(),
    uid=st.none() | st.integers(min_value=0),
    gid=st.none() | st.integers(min_value=0),
    rundir=st.none() | st.text(),
    orphanTime=st.integers(0, 9999).map(float),
    umask=st.none() | st.integers(min_value=0, max_value=0o777),
    listen=st.lists(st.text()).map(tuple),
)


class OrdersTests(SynchronousTestCase):
    """
    Tests for L{WorkerOrders}.
    """

    @given(ORDERS)
    def test_whatIsWrittenIsRead(self, orders: WorkerOrders) -> None:
        """
        All orders survive the way through a command line, also when their parts
        look like options.
        """
        self.assertEqual(WorkerOrders.fromWords(orders.toWords()), orders)

    def test_readable(self) -> None:
        """
        The words can be understood by a person who sees them in a list of
        processes.
        """
        orders = WorkerOrders(
            kind=ProgramKind.TWISTD,
            program=("web", "--path", "."),
            reactor="asyncio",
            umask=0o27,
        )
        self.assertEqual(
            " ".join(orders.toWords()),
            "twistd --reactor=asyncio --umask=27 -- web --path .",
        )

    def test_notOrders(self) -> None:
        """
        Words that are no orders are refused, and quoted.
        """
        for words in ([], ["unknown", "--", "x"], ["tac", "--bogus", "x"]):
            with self.assertRaises(ConfigurationError) as caught:
                WorkerOrders.fromWords(words)
            self.assertIn(repr(words), str(caught.exception))
