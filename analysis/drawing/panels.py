"""Where a title, rows of panels, the legends below them and the words below those stand on a page; lengths in inches.

Knows neither matplotlib nor what the panels show. Everything but the panels grows with the size of the type.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

#: In sizes of the type: what stands left of the panels, right of each, and the height of one entry of a legend.
_LEFT, _GAP, _ENTRY = 5.8, 1.7, 1.45
#: The axis of the last row down to its legend, over the labels of the axis.
_AXIS = 4.4
#: The width of a letter of the legend, and of the words below it, which are smaller by ``SMALL``.
_LETTER, _OF_WORDS, SMALL = 0.6, 0.55, 0.82
#: Handle and space of an entry of a legend.
_HANDLE = 4.2
#: Whether the words stand below the panels.
_WORDED = ContextVar("_WORDED", default=True)


class Page(NamedTuple):
    """So many ``panels`` in ``columns``, ``height`` each; the axis of the last row is ``below`` high.

    ``em`` is the size of the type; ``words`` are wrapped.
    """

    width: float
    total: float
    em: float
    panels: int
    columns: int
    height: float
    below: float
    step: float
    words: tuple[str, ...]

    @property
    def rows(self) -> int:
        return math.ceil(self.panels / self.columns)

    @property
    def left(self) -> float:
        """Where the panels begin, as a share of the width."""
        return _LEFT * self.em / self.width

    def box(self, place: int) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel, as shares of the page; the first is at the upper left."""
        row, column = divmod(place, self.columns)
        across = (self.width - _LEFT * self.em) / self.columns
        floor = self.below + self.step * (self.rows - 1 - row)
        left, width = _LEFT * self.em + across * column, across - _GAP * self.em
        return left / self.width, floor / self.total, width / self.width, self.height / self.total

    def over(self, place: int, sizes: float) -> float:
        """The height of what is so many sizes of the type above a panel, as a share of the page."""
        _, bottom, _, height = self.box(place)
        return bottom + height + sizes * self.em / self.total

    def entries(self, labels: Sequence[str], share: int) -> int:
        """How many entries of a legend fit side by side below one of ``share`` equal parts of the page."""
        return _entries(labels, (self.width - _LEFT * self.em) / share / self.em)

    def legend(self, height: float) -> dict[str, Any]:
        """Where the legend of a panel of this height stands: below its axis."""
        down = (_AXIS - 0.4) * self.em / height
        return {
            "loc": "upper left", "bbox_to_anchor": (0.0, -down), "borderaxespad": 0.0, "borderpad": 0.0,
            "handlelength": 2.6, "handletextpad": 0.5, "columnspacing": 1.1, "labelspacing": 0.4,
        }  # fmt: skip


def page(
    *, width: float, size: float, count: int, columns: int, height: float, legends: Sequence[Sequence[str]],
    words: str, heading: float, between: float,
) -> Page:  # fmt: skip
    """A page of this width with so many panels, and type of ``size`` points.

    ``legends`` are the labels below each part of the page; ``heading`` and ``between`` say how many sizes of the type
    stand above the first row, and between two of them.
    """
    em = size / 72.0
    across = (width - _LEFT * em) / em
    lines = tuple(textwrap.wrap(words, int(across / (_OF_WORDS * SMALL)))) if _WORDED.get() else ()
    legend = legend_height(width=width, size=size, legends=legends, share=max(1, len(legends)))
    below = em * (0.8 + 1.4 * SMALL * len(lines) + 0.6 + legend + _AXIS)
    step = height + between * em
    total = below + step * (math.ceil(count / columns) - 1) + height + heading * em
    return Page(width, total, em, count, columns, height, below, step, lines)


@contextmanager
def without_words() -> Iterator[None]:
    """Pages that are made inside this have no words below their panels, for these stand beside the picture."""
    token = _WORDED.set(False)
    try:
        yield
    finally:
        _WORDED.reset(token)


def fitted(text: str, inches: float, size: float) -> float:
    """The size of the type in which a text is no longer than that: ``size`` points, or less."""
    return min(size, 72.0 * inches / (_LETTER * max(1, len(text))))


def legend_height(*, width: float, size: float, legends: Sequence[Sequence[str]], share: int) -> float:
    """The height of the highest legend, in sizes of type, where each is below one of ``share`` parts of the page."""
    across = (width * 72.0 / size - _LEFT) / share
    return _ENTRY * max((math.ceil(len(labels) / _entries(labels, across)) for labels in legends if labels), default=0)


def fit(*, width: float, size: float, labels: Sequence[str], share: int) -> bool:
    """Whether the longest entry of a legend fits below one of ``share`` equal parts of the page."""
    return _HANDLE + _LETTER * max(map(len, labels)) <= (width * 72.0 / size - _LEFT) / share


def height(width: float, columns: int) -> float:
    """A good height of panels on a page of this width: flatter where several share a row, or on a slide."""
    if width < 5.0:
        return 0.5 * width + 0.4
    return width * {1: 0.5 if width < 9.0 else 0.36, 2: 0.34}.get(columns, 0.28)


def _entries(labels: Sequence[str], across: float) -> int:
    each = _HANDLE + _LETTER * max(map(len, labels))
    return max(1, min(len(labels), int(across / each)))
