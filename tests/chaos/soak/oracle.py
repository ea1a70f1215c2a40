"""
Decides of every connection whether what became of it may be.

It may be answered, by the worker that had it.  It may be cut where a worker's
application had it already and that worker was killed; not before the worker was
killed; and, if the cluster is insured, not if nothing had been read or written.
Clients may give up.  Nothing else may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import define

from tests.chaos.soak.ledgers import Outcome, Taken, Told


@define
class Verdict:
    """
    How many connections came to what.

    @ivar answered: Right.
    @ivar cut: In a worker that was killed and had taken them.
    @ivar cutUntouched: Of these, from how many no worker had begun to read, nor to
        write to them.
    @ivar givenUp: By their clients, on purpose.
    @ivar takenAgain: How many were given to more than one application, since the
        first was killed before it could say that it has them.
    @ivar longest: How many seconds the slowest answer took.
    @ivar hung: Neither answered nor ended.
    @ivar wrong: Answered with something else, or not by the worker that had them.
    @ivar refused: Not even accepted.
    @ivar withoutCause: Closed or reset, though no killed worker had taken them.
    @ivar uninsured: Cut although nothing was read or written and the cluster is
        insured.
    @ivar failed: Ended in a way that is not known here.
    """

    answered: int = 0
    cut: int = 0
    cutUntouched: int = 0
    givenUp: int = 0
    takenAgain: int = 0
    longest: float = 0.0
    hung: int = 0
    wrong: int = 0
    refused: int = 0
    withoutCause: int = 0
    uninsured: int = 0
    failed: int = 0

    @property
    def connections(self) -> int:
        """
        All of them.
        """
        return self.answered + self.cut + self.givenUp + self.forbidden

    @property
    def forbidden(self) -> int:
        """
        How many came to what may not be.
        """
        return (
            self.hung
            + self.wrong
            + self.refused
            + self.withoutCause
            + self.uninsured
            + self.failed
        )


def judge(
    connections: Iterable[tuple[Told, Taken]],
    killedAt: Mapping[int, float],
    *,
    insured: bool = False,
) -> Verdict:
    """
    Judge all connections.

    @param connections: What client and workers tell of each.
    @param killedAt: By the worker's number, when those were killed that were: the
        time just before.
    @param insured: Whether the cluster is to serve again what was not begun.
    """
    verdict = Verdict()
    for told, taken in connections:
        if told.outcome is Outcome.NOT_BEGUN:
            continue
        if taken.made > 1:
            verdict.takenAgain += 1
        if told.outcome is Outcome.ANSWERED:
            verdict.longest = max(verdict.longest, told.endedAt - told.begunAt)
        name = _judgeOne(told, taken, killedAt, insured=insured)
        if name == "cut" and not taken.touched:
            verdict.cutUntouched += 1
        setattr(verdict, name, getattr(verdict, name) + 1)
    return verdict


def _judgeOne(
    told: Told, taken: Taken, killedAt: Mapping[int, float], *, insured: bool
) -> str:
    """
    @return: The count that a connection belongs to.
    """
    if told.outcome is Outcome.ANSWERED:
        # Who was killed just after answering may not have said that it took it;
        # then another was given it, which found nothing to do.
        had = taken.worker == told.worker or (
            taken.made > 1 and told.worker in killedAt
        )
        right = had and taken.made and taken.replied and not taken.mixed
        return "answered" if right else "wrong"
    if told.outcome in (Outcome.CLOSED, Outcome.RESET):
        killed = killedAt.get(taken.worker)
        if not taken.made or killed is None or told.endedAt < killed:
            return "withoutCause"
        return "uninsured" if insured and not taken.touched else "cut"
    return _PLAIN[told.outcome]


_PLAIN = {
    # The load is over when none is open any more.
    Outcome.OPEN: "hung",
    Outcome.HUNG: "hung",
    Outcome.WRONG: "wrong",
    Outcome.REFUSED: "refused",
    Outcome.GIVEN_UP: "givenUp",
    Outcome.FAILED: "failed",
}
