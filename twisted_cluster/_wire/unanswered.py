"""
What the other side has asked, and nobody has answered yet.
"""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred

_T = TypeVar("_T")

UNANSWERED_LIMIT = 64 * 1024 * 1024
"""
How many bytes of questions may be without an answer at a time.  A question is taken
for delivered when this side's application has it, so a peer that asks on and on
would have this process grow until it is killed.
"""

QUESTION = 1024
"""
What a question weighs beside its bytes: a Deferred, and what the application keeps
until it knows the answer.
"""


class Unanswered:
    """
    Questions that this side's application has not answered yet.

    @ivar _weight: How many bytes they are thought to take.
    """

    def __init__(self) -> None:
        self._weight = 0

    def hasRoom(self, size: int) -> bool:
        """
        Whether the application may be given another question of so many bytes.  One
        alone may be of any size.
        """
        return not self._weight or self._weight + size + QUESTION <= UNANSWERED_LIMIT

    def until(self, answered: Deferred[_T], size: int) -> Deferred[_T]:
        """
        The application was given a question of so many bytes.

        @return: The same Deferred: until it fires, the question is unanswered.
        """
        self._weight += size + QUESTION

        def over(result: _T) -> _T:
            self._weight -= size + QUESTION
            return result

        return answered.addBoth(over)
