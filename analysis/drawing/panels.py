"""Where rows of panels, the legends below them and the words below those stand on a page; lengths in inches.

Knows neither matplotlib nor what the panels show.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

LEFT, GAP, HEIGHT = 0.65, 0.3, 2.5  # left of the panels, right of each, and how high each is
LEGEND = 0.42  # from the axis of the last row down to its legend, over the label of the axis
_LINE, _ENTRY, _LETTER = 0.155, 0.16, 0.068  # heights of a line of words and of the legend; width of a letter of it


class Page(NamedTuple):
    """A row of panels every ``step`` from ``below`` upwards, a panel every ``across``; ``words`` are wrapped."""

    width: float
    height: float
    below: float
    step: float
    across: float
    words: tuple[str, ...]

    def box(self, column: int, floor: float) -> tuple[float, float, float, float]:
        """Left, bottom, width and height of a panel whose axis is ``floor`` high, as shares of the page."""
        left, width = LEFT + self.across * column, self.across - GAP
        return left / self.width, floor / self.height, width / self.width, HEIGHT / self.height

    def columns(self, labels: Sequence[str]) -> int:
        """How many entries of a legend fit side by side below a panel."""
        each = 0.5 + _LETTER * max(map(len, labels))
        return max(1, min(len(labels), int((self.across - GAP) / each)))


def page(rows: int, legends: Sequence[Sequence[str]], words: str) -> Page:
    """A page for so many rows; ``legends`` are the labels below each column. Several rows have room for a heading."""
    width = 7.3 if len(legends) > 1 else 4.6
    made = Page(width, 0.0, 0.0, HEIGHT + 0.9, (width - LEFT) / len(legends), ())
    lines = tuple(textwrap.wrap(words, int(16.5 * (width - LEFT))))
    entries = max(math.ceil(len(labels) / made.columns(labels)) for labels in legends)
    below = 0.33 + LEGEND + _LINE * len(lines) + _ENTRY * entries
    heading = 0.8 if rows > 1 else 0.55
    return made._replace(height=below + made.step * (rows - 1) + HEIGHT + heading, below=below, words=lines)
