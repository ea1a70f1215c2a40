"""
Tests for L{tests.chaos.soak.oracle}: everything that must not be is counted.
"""

from __future__ import annotations

from attrs import asdict
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak.ledgers import Outcome, Taken, Told
from tests.chaos.soak.oracle import Verdict, judge

NEVER = Taken(made=0, touched=0, replied=0, mixed=0, worker=0)
UNTOUCHED = Taken(made=1, touched=0, replied=0, mixed=0, worker=3)
TOUCHED = Taken(made=1, touched=1, replied=0, mixed=0, worker=3)
SERVED = Taken(made=1, touched=1, replied=1, mixed=0, worker=3)
TWICE = Taken(made=2, touched=1, replied=1, mixed=0, worker=4)

KILLED = {3: 100.0}


def told(outcome: Outcome, worker: int = 0, endedAt: float = 101.0) -> Told:
    """
    What a client tells of a connection.
    """
    return Told(outcome, worker, endedAt - 2, endedAt)


class JudgeTests(SynchronousTestCase):
    """
    Tests for L{judge}.
    """

    def assertCounts(
        self,
        connection: tuple[Told, Taken],
        killedAt: dict[int, float],
        *,
        insured: bool = False,
        **counts: float,
    ) -> Verdict:
        """
        Assert what a single connection is counted as, and as nothing else.
        """
        verdict = judge([connection], killedAt, insured=insured)
        expected = {**asdict(Verdict()), "longest": verdict.longest, **counts}
        self.assertEqual(asdict(verdict), expected)
        return verdict

    def assertForbidden(
        self,
        connection: tuple[Told, Taken],
        killedAt: dict[int, float],
        *,
        insured: bool = False,
        **counts: float,
    ) -> None:
        """
        As L{assertCounts}; and this must not be.
        """
        verdict = self.assertCounts(connection, killedAt, insured=insured, **counts)
        self.assertEqual((verdict.forbidden, verdict.connections), (1, 1))

    def assertAllowed(
        self,
        connection: tuple[Told, Taken],
        killedAt: dict[int, float],
        *,
        insured: bool = False,
        **counts: float,
    ) -> None:
        """
        As L{assertCounts}; and this may be.
        """
        verdict = self.assertCounts(connection, killedAt, insured=insured, **counts)
        self.assertEqual((verdict.forbidden, verdict.connections), (0, 1))

    def test_nothing(self) -> None:
        """
        Numbers that were not used are not counted.
        """
        verdict = self.assertCounts((told(Outcome.NOT_BEGUN), NEVER), {})
        self.assertEqual(verdict.connections, 0)

    def test_answered(self) -> None:
        """
        An answer of the worker that had the connection is what is wanted.
        """
        self.assertAllowed(
            (told(Outcome.ANSWERED, 3), SERVED), {}, answered=1, longest=2.0
        )

    def test_answeredByAnother(self) -> None:
        """
        An answer of a worker that did not have the connection is wrong.
        """
        self.assertForbidden((told(Outcome.ANSWERED, 4), SERVED), KILLED, wrong=1)

    def test_answeredByNobody(self) -> None:
        """
        So is an answer that no worker knows of.
        """
        self.assertForbidden((told(Outcome.ANSWERED, 3), TOUCHED), {}, wrong=1)
        self.assertForbidden((told(Outcome.ANSWERED, 0), NEVER), {}, wrong=1)

    def test_mixedUp(self) -> None:
        """
        So is one of a worker that read another connection's number.
        """
        mixed = Taken(made=1, touched=1, replied=1, mixed=1, worker=3)
        self.assertForbidden((told(Outcome.ANSWERED, 3), mixed), {}, wrong=1)

    def test_wrong(self) -> None:
        """
        So is an answer that is not the connection's own.
        """
        self.assertForbidden((told(Outcome.WRONG), SERVED), KILLED, wrong=1)

    def test_answeredAndKilled(self) -> None:
        """
        A worker may answer and be killed before it could say that it took the
        connection; then another is given what is left of it.
        """
        connection = (told(Outcome.ANSWERED, 3), TWICE)
        self.assertAllowed(connection, KILLED, answered=1, takenAgain=1)
        self.assertForbidden(connection, {}, wrong=1, takenAgain=1)

    def test_cut(self) -> None:
        """
        A connection that a killed worker had may be cut.
        """
        for outcome in (Outcome.CLOSED, Outcome.RESET):
            self.assertAllowed((told(outcome), TOUCHED), KILLED, cut=1)

    def test_cutUntouched(self) -> None:
        """
        Also one that the worker had not yet begun; unless the cluster is insured.
        """
        connection = (told(Outcome.RESET), UNTOUCHED)
        self.assertAllowed(connection, KILLED, cut=1, cutUntouched=1)
        self.assertForbidden(connection, KILLED, insured=True, uninsured=1)

    def test_cutThoughInsured(self) -> None:
        """
        What was begun cannot be insured.
        """
        self.assertAllowed((told(Outcome.CLOSED), TOUCHED), KILLED, insured=True, cut=1)

    def test_cutByTheLiving(self) -> None:
        """
        A worker that was not killed must not cut its connections.
        """
        for outcome in (Outcome.CLOSED, Outcome.RESET):
            self.assertForbidden((told(outcome), TOUCHED), {4: 1.0}, withoutCause=1)

    def test_cutUntaken(self) -> None:
        """
        A connection that no application had must not be cut, whoever was killed.
        """
        for outcome in (Outcome.CLOSED, Outcome.RESET):
            self.assertForbidden((told(outcome), NEVER), {0: 1.0}, withoutCause=1)

    def test_cutTooEarly(self) -> None:
        """
        Nor one whose worker was killed only later.
        """
        connection = (told(Outcome.CLOSED, endedAt=99.0), TOUCHED)
        self.assertForbidden(connection, KILLED, withoutCause=1)

    def test_hung(self) -> None:
        """
        A connection must not hang, even in a killed worker.
        """
        self.assertForbidden((told(Outcome.HUNG), TOUCHED), KILLED, hung=1)

    def test_open(self) -> None:
        """
        One that is still open when the load is over hangs.
        """
        self.assertForbidden((told(Outcome.OPEN), TOUCHED), KILLED, hung=1)

    def test_refused(self) -> None:
        """
        A connection must not be refused.
        """
        self.assertForbidden((told(Outcome.REFUSED), NEVER), KILLED, refused=1)

    def test_failed(self) -> None:
        """
        Nor end in a way that nobody has thought of.
        """
        self.assertForbidden((told(Outcome.FAILED), NEVER), KILLED, failed=1)

    def test_givenUp(self) -> None:
        """
        Clients may give up.
        """
        self.assertAllowed((told(Outcome.GIVEN_UP), NEVER), {}, givenUp=1)
        self.assertAllowed((told(Outcome.GIVEN_UP), TOUCHED), {}, givenUp=1)

    def test_sum(self) -> None:
        """
        Each connection is counted once.
        """
        connections = [
            (told(outcome, 3), taken)
            for outcome in Outcome
            for taken in (NEVER, UNTOUCHED, TOUCHED, SERVED, TWICE)
        ]
        verdict = judge(connections, KILLED)
        self.assertEqual(verdict.connections, len(connections) - 5)
