"""
What the other side has asked, and nobody has answered yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred, succeed

from twisted_cluster.observing import Occasion

UNANSWERED_LIMIT = 64 * 1024 * 1024
"""
How many bytes of questions may be without an answer before another is refused.  A
question is taken for delivered when this side's application has it, so a peer that
asks on and on would have this process grow until it is killed.
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
    @ivar _awaited: Those that somebody waits for.
    @ivar _none: That there are none, if somebody waits for it.
    """

    def __init__(self) -> None:
        self._weight = 0
        self._awaited: set[object] = set()
        self._none: Occasion[None] | None = None

    def whenNone(self) -> Deferred[None]:
        """
        @return: Fires when there are none whose answer anybody waits for.
        """
        if not self._awaited:
            return succeed(None)
        if self._none is None:
            self._none = Occasion()
        return self._none.when()

    @property
    def hasRoom(self) -> bool:
        """
        Whether the application may be given another question, of any size: one that
        is never answered shall not make a large one fail.
        """
        return self._weight < UNANSWERED_LIMIT

    def until(self, answered: Deferred[None], size: int) -> Callable[[], None]:
        """
        The application was given a question of so many bytes.

        @param answered: Fires when its answer was sent, or why there is none.

        @return: To be called when nobody waits for the answer any more.  The
            question goes on to take its bytes: the application still has it.
        """
        self._weight += size + QUESTION
        question = object()
        self._awaited.add(question)

        def over(_: object) -> None:
            self._weight -= size + QUESTION
            self._awaitNoMore(question)

        answered.addCallback(over)
        return partial(self._awaitNoMore, question)

    def _awaitNoMore(self, question: object) -> None:
        """
        Nobody waits for the answer; this may be said more than once.
        """
        self._awaited.discard(question)
        if not self._awaited and self._none is not None:
            none, self._none = self._none, None
            none.happened(None)
