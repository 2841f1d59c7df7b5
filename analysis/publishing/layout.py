"""How wide the columns of a table are where it must not be wider than its page.

Knows numbers only: widths are in the unit in which the caller measures texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: Between two limits of a search for widths: fine enough for tables of a few columns.
_STEPS = 200


class Measured(NamedTuple):
    """The widths of a text: that of the whole, and that of its longest word."""

    whole: float
    word: float


class ColumnNeed(NamedTuple):
    """What a column needs: ``least`` for its longest word, ``cells`` for its longest text but the heading's, or all.

    A column of ``words`` is folded before one of numbers is.
    """

    least: float
    cells: float
    whole: float
    words: bool


def column_needs(columns: Iterable[Sequence[Measured]], align: str) -> list[ColumnNeed]:
    """The needs of columns, from the widths of their texts, the heading first; what stands at the left is words."""
    made = []
    for (heading, *cells), side in zip(columns, align, strict=True):
        least = max(heading.word, *(cell.word for cell in cells), 0.0)
        longest = max(least, *(cell.whole for cell in cells), 0.0)
        made.append(ColumnNeed(least, longest, max(longest, heading.whole), side == "l"))
    return made


def column_widths(needs: Sequence[ColumnNeed], room: float) -> tuple[float, ...]:
    """Widths that add up to at most ``room``, where the longest words allow it.

    Where not all fits in one line, headings are folded first, then texts, and numbers last.
    """
    least = [need.least for need in needs]
    cells = [need.cells for need in needs]
    numbers = [need.least if need.words else need.cells for need in needs]
    for lowest, highest in ((cells, [need.whole for need in needs]), (numbers, cells), (least, cells)):
        if sum(lowest) <= room:
            return _shared(lowest, highest, room)
    return tuple(least)


def _shared(lowest: Sequence[float], highest: Sequence[float], room: float) -> tuple[float, ...]:
    """Widths between two limits each; the widest columns give way first."""
    if sum(highest) <= room:
        return tuple(highest)
    widest = max(highest)
    for step in range(_STEPS, 0, -1):
        most = widest * step / _STEPS
        widths = tuple(max(low, min(high, most)) for low, high in zip(lowest, highest, strict=True))
        if sum(widths) <= room:
            return widths
    return tuple(lowest)
