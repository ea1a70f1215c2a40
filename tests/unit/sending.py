"""
What is sent along with a message, in memory.
"""

from __future__ import annotations

from attrs import define, field
from zope.interface import implementer

from twisted_cluster._wire.lanes import Handle
from twisted_cluster.interfaces import ISending


@implementer(ISending)
@define(eq=False)
class SentFile:
    """
    An open file that is sent.

    @ivar outcomes: What became of it.
    """

    handle: Handle
    outcomes: list[str] = field(factory=list)

    def delivered(self) -> None:
        """
        It arrived.
        """
        self.outcomes.append("delivered")

    def failed(self) -> None:
        """
        It stays here.
        """
        self.outcomes.append("failed")
