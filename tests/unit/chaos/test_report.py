"""
Tests for L{tests.chaos.soak.report}.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.soak.course import Course
from tests.chaos.soak.oracle import Verdict
from tests.chaos.soak.readings import Reading
from tests.chaos.soak.report import MEMORY_BOUND, Primary, Row, rows, shown

START = Reading(descriptors=20, children=4, memory=50 << 20)
PRIMARY = Primary(START, START, peak=60 << 20, left=0)


class RowsTests(SynchronousTestCase):
    """
    Tests for L{rows}.
    """

    def setUp(self) -> None:
        """
        Make a run in which nothing was wrong.
        """
        self.verdict = Verdict(
            answered=10, cut=3, cutUntouched=1, givenUp=2, longest=9.0
        )
        self.course = Course(Clock(), 4)
        self.course.kills = 5

    def bad(self, primary: Primary = PRIMARY) -> list[str]:
        """
        The names of the rows that must not be.
        """
        return [
            row.name for row in rows(self.verdict, self.course, primary) if row.isBad
        ]

    def test_good(self) -> None:
        """
        Nothing is wrong.
        """
        self.assertEqual(self.bad(), [])

    def test_connections(self) -> None:
        """
        Each count of connections that must not be makes the run bad.
        """
        counts = ("hung", "wrong", "refused", "withoutCause", "uninsured", "failed")
        for name in counts:
            self.verdict = evolve(Verdict(), **{name: 1})
            self.assertEqual(len(self.bad()), 1, name)

    def test_messages(self) -> None:
        """
        So does a lost message.
        """
        self.course.messagesLost = 1
        self.assertEqual(self.bad(), ["messages lost"])

    def test_errors(self) -> None:
        """
        So does an error of the primary.
        """
        self.course.errors.append("EPIPE")
        self.assertEqual(self.bad(), ["errors of the primary"])

    def test_unexplained(self) -> None:
        """
        So does what nobody did.
        """
        self.course.unexplained.append("worker 3 ended")
        self.assertEqual(self.bad(), ["faults of workers that nobody made"])

    def test_descriptors(self) -> None:
        """
        So do descriptors, were it but one, and in either direction.
        """
        for number in (19, 21):
            end = evolve(START, descriptors=number)
            self.assertEqual(
                self.bad(evolve(PRIMARY, end=end)),
                ["descriptors of the primary, start and end"],
            )

    def test_children(self) -> None:
        """
        So do processes.
        """
        end = evolve(START, children=5)
        self.assertEqual(
            self.bad(evolve(PRIMARY, end=end)),
            ["children of the primary, start and end"],
        )
        self.assertEqual(
            self.bad(evolve(PRIMARY, left=1)), ["processes left in the end"]
        )

    def test_memory(self) -> None:
        """
        So does memory beyond the bound.
        """
        end = evolve(START, memory=START.memory + MEMORY_BOUND)
        self.assertEqual(self.bad(evolve(PRIMARY, end=end)), [])
        end = evolve(end, memory=end.memory + 1)
        self.assertEqual(len(self.bad(evolve(PRIMARY, end=end))), 1)


class ShownTests(SynchronousTestCase):
    """
    Tests for L{shown}.
    """

    def test_marked(self) -> None:
        """
        What must not be is marked.
        """
        self.assertEqual(
            shown([Row("kills", "7"), Row("hung", "1", isBad=True)]),
            "kills  7\nhung   1   <-- MUST NOT BE",
        )

    def test_beside(self) -> None:
        """
        What another run came to stands beside it.
        """
        self.assertEqual(
            shown(
                [Row("kills", "7"), Row("hung", "0")],
                [Row("kills", "12"), Row("hung", "3", isBad=True)],
            ),
            "kills  7  12\nhung   0  3   <-- MUST NOT BE",
        )
        self.assertRaises(ValueError, shown, [Row("kills", "7")], [])
