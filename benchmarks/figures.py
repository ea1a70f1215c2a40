"""
Numbers as the benchmarks print them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from attrs import frozen


@frozen
class Spread:
    """
    The least, the middle and the greatest of several measurements.
    """

    least: float
    middle: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """
        The spread of at least one value.
        """
        return cls(min(values), median(values), max(values))

    def shown(self, digits: int) -> str:
        """
        C{least/middle/greatest}, as the tables show it.
        """
        return "/".join(
            f"{value:.{digits}f}" for value in (self.least, self.middle, self.greatest)
        )


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """
    How much ours is of theirs, round by round: what was measured in the same
    round was measured on the same machine in the same state.
    """
    return Spread.of([mine / yours for mine, yours in zip(ours, theirs, strict=True)])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    Lines with columns: the first to the left, the others to the right.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )


def counted(counts: Mapping[str, int]) -> str:
    """
    C{"3 of this, 4 of that"}, in a fixed order.
    """
    return ", ".join(f"{counts[name]} {name}" for name in sorted(counts))
