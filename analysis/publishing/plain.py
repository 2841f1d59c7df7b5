"""A table as text for a terminal: no markup, columns as narrow as the window asks for.

Knows nothing of what the cells mean.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from analysis.publishing.layout import Measured, column_needs, column_widths
from analysis.publishing.sheet import Cell, TableSheet, padded

_BOLD, _USUAL = "\033[1m", "\033[0m"


def plain(sheet: TableSheet, width: int, *, styled: bool = False) -> str:
    """The title, the rows and the notes in lines of at most ``width`` characters, as far as the longest words allow it.

    Long cells are folded. What is bold is so where ``styled``, which asks for a terminal, and else between asterisks.
    """
    rows = [tuple(map(Cell, sheet.header)), *sheet.rows]
    needs = column_needs(_measured(rows, styled), sheet.align)
    gap = 2 if sum(need.least for need in needs) + 2 * (len(needs) - 1) <= width else 1
    widths = [max(1, int(one)) for one in column_widths(needs, width - gap * (len(needs) - 1))]
    heading, *body = (_lines(row, widths, sheet.align, " " * gap, styled) for row in rows)
    lines = [*heading, "-" * (sum(widths) + gap * (len(widths) - 1)), *itertools.chain(*body)]
    notes = [line for note in sheet.notes for line in textwrap.wrap(note, width, break_long_words=False)]
    title = textwrap.wrap(sheet.title, width, break_long_words=False)
    return "\n".join([*title, "", *lines, "", *notes]).rstrip() + "\n"


def _measured(rows: Iterable[Sequence[Cell]], styled: bool) -> Iterator[list[Measured]]:
    """The widths of the texts of each column."""
    for column in zip(*rows, strict=True):
        texts = [_text(cell, styled) for cell in column]
        yield [Measured(len(text), max(map(len, text.split()), default=0)) for text in texts]


def _text(cell: Cell, styled: bool) -> str:
    return f"*{cell.text}*" if cell.bold and not styled else cell.text


def _lines(row: Sequence[Cell], widths: Sequence[int], align: str, gap: str, styled: bool) -> list[str]:
    """The lines that a row takes."""
    folded = [textwrap.wrap(_text(cell, styled), width, break_long_words=False, break_on_hyphens=False)
              for cell, width in zip(row, widths, strict=True)]  # fmt: skip
    lines = []
    for texts in itertools.zip_longest(*folded, fillvalue=""):
        sides = [padded(text, *of) for text, of in zip(texts, zip(widths, align, strict=True), strict=True)]
        if styled:
            sides = [f"{_BOLD}{text}{_USUAL}" if cell.bold else text for text, cell in zip(sides, row, strict=True)]
        lines.append(gap.join(sides).rstrip())
    return lines
