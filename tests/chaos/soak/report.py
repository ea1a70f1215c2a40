"""
The table of a run, and whether all is well in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tests.chaos.soak.course import Course
from tests.chaos.soak.oracle import Verdict
from tests.chaos.soak.plan import Kind
from tests.chaos.soak.readings import Reading

MEMORY_BOUND = 8 << 20
"""
By how many bytes the primary's memory may have grown since the warm-up.
"""

MiB = 1 << 20

MARK = "   <-- MUST NOT BE"


@frozen
class Row:
    """
    A line of the table.

    @ivar isBad: Whether it tells of something that must not be.
    """

    name: str
    value: str
    isBad: bool = False


@frozen
class Primary:
    """
    What the primary's process had.

    @ivar start: After the warm-up, without clients.
    @ivar end: In the end, without clients.
    @ivar peak: The most memory, in bytes.
    @ivar left: How many processes were left when it had ended.
    """

    start: Reading
    end: Reading
    peak: int
    left: int


def rows(verdict: Verdict, course: Course, primary: Primary) -> list[Row]:
    """
    The table.
    """
    return [
        *_done(verdict, course),
        *_became(verdict),
        *_wrong(verdict, course, primary),
    ]


def _done(verdict: Verdict, course: Course) -> list[Row]:
    """
    What was done.
    """
    counts = [
        ("connections", verdict.connections),
        ("kills", course.kills),
        ("of all workers at once", course.done[Kind.KILL_ALL]),
        ("stops", course.done[Kind.STOP]),
        ("rolls", course.done[Kind.ROLL]),
        ("ports closed and opened again", course.done[Kind.RELISTEN]),
        ("exhaustions of descriptors", course.done[Kind.EXHAUST]),
        ("floods of messages", course.done[Kind.FLOOD]),
        ("kills in a flood", course.done[Kind.FLOOD_KILL]),
        ("kills while the primary stands still", course.done[Kind.STALL_KILL]),
        ("exits of their own", course.done[Kind.EXIT]),
    ]
    return [Row(name, str(count)) for name, count in counts]


def _became(verdict: Verdict) -> list[Row]:
    """
    What became of connections that may.
    """
    return [
        Row("answered", str(verdict.answered)),
        Row("given up by the client", str(verdict.givenUp)),
        Row("cut in a killed worker that had taken them", str(verdict.cut)),
        Row("of these, not read or written yet", str(verdict.cutUntouched)),
        Row("given to a second application", str(verdict.takenAgain)),
        Row("slowest answer, seconds", f"{verdict.longest:.1f}"),
    ]


def _wrong(verdict: Verdict, course: Course, primary: Primary) -> list[Row]:
    """
    What must not be.
    """
    start, end = primary.start, primary.end
    counts = [
        ("hung", verdict.hung),
        ("answered wrong", verdict.wrong),
        ("refused", verdict.refused),
        ("closed or reset without cause", verdict.withoutCause),
        ("cut untouched though insured", verdict.uninsured),
        ("failed otherwise", verdict.failed),
        ("messages lost", course.messagesLost),
        ("errors of the primary", len(course.errors)),
        ("faults of workers that nobody made", len(course.unexplained)),
        ("processes left in the end", primary.left),
    ]
    memory = [start.memory, primary.peak, end.memory]
    return [
        *(Row(name, str(count), bool(count)) for name, count in counts),
        Row(
            "descriptors of the primary, start and end",
            f"{start.descriptors} {end.descriptors}",
            start.descriptors != end.descriptors,
        ),
        Row(
            "children of the primary, start and end",
            f"{start.children} {end.children}",
            start.children != end.children,
        ),
        Row(
            "memory of the primary, start, peak, end, MiB",
            " ".join(f"{size / MiB:.1f}" for size in memory),
            end.memory - start.memory > MEMORY_BOUND,
        ),
    ]


def shown(table: Sequence[Row], *others: Sequence[Row]) -> str:
    """
    The table as text; what must not be has a mark.

    @param others: Tables of other runs, to stand beside it.
    """
    columns = [
        [row.name for row in table],
        *(
            [f"{row.value}{MARK if row.isBad else ''}" for row in each]
            for each in (table, *others)
        ),
    ]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(map(str.ljust, line, widths)).rstrip()
        for line in zip(*columns, strict=True)
    )
