"""How wide the columns of a table are where it must not be wider than its page.

Knows numbers only: the unit of a width is whatever the caller measures texts in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: Between two limits of a search for widths: fine enough for tables of a few columns.
_STEPS = 200


class ColumnNeed(NamedTuple):
    """What a column needs: ``least`` for its longest word, ``whole`` for its longest text."""

    least: float
    whole: float


def column_need(texts: Iterable[tuple[Sequence[float], float]]) -> ColumnNeed:
    """The need of a column, from the widths of the words and of the whole of each of its texts."""
    least = whole = 0.0
    for words, text in texts:
        least, whole = max(least, *words, 0.0), max(whole, text)
    return ColumnNeed(least, whole)


def column_widths(needs: Sequence[ColumnNeed], room: float) -> tuple[float, ...]:
    """Widths that add up to at most ``room`` where the longest words allow it; the widest columns give way first.

    So columns of numbers stay in one line for as long as columns of sentences can be folded.
    """
    widest = max(need.whole for need in needs)
    for step in range(_STEPS, 0, -1):
        most = widest * step / _STEPS
        widths = tuple(max(need.least, min(need.whole, most)) for need in needs)
        if sum(widths) <= room:
            return widths
    return tuple(need.least for need in needs)
