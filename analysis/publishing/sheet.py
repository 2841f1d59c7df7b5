"""A table as plain cells, and its Markdown.

Knows nothing of what the cells mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pruneexp.summary.spread import Spread

MISSING = "–"


class Cell(NamedTuple):
    """A text, in the renderer's own escaping; ``bold`` for the best of its row."""

    text: str
    bold: bool = False


class TableSheet(NamedTuple):
    """A table to be read: ``align`` is one of l, r, c per column, ``notes`` stand below it."""

    title: str
    header: tuple[str, ...]
    align: str
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()


def table_sheet(
    title: str, header: Iterable[str], align: str, rows: Iterable[Iterable[str | Cell]], notes: Iterable[str] = ()
) -> TableSheet:
    """A sheet whose texts become cells; notes that say nothing are left out."""
    made = tuple(tuple(text if isinstance(text, Cell) else Cell(text) for text in row) for row in rows)
    return TableSheet(title, tuple(header), align, made, tuple(filter(None, notes)))


def sheet_of(record: Mapping[str, Any]) -> TableSheet:
    """The sheet whose ``_asdict`` went through JSON.

    Raises:
        KeyError: it lacks a part of a sheet.
    """
    rows = tuple(tuple(Cell(*cell) for cell in row) for row in record["rows"])
    return TableSheet(record["title"], tuple(record["header"]), record["align"], rows, tuple(record["notes"]))


def spread_text(value: Spread | None, digits: int = 2) -> str:
    """``96.50 ± 0.12``; the mean alone for one seed; a dash where there is nothing."""
    if value is None:
        return MISSING
    mean = f"{value.mean:.{digits}f}"
    return mean if value.std is None else f"{mean} ± {value.std:.{digits}f}"


def with_fewer(text: str, value: Spread | None, most: int) -> str:
    """The text of a value, with ``(n = 2)`` where it is over fewer seeds than the row."""
    return text + (f" (n = {value.n})" if value is not None and value.n < most else "")


def markdown(sheet: TableSheet, comment: Sequence[str] = ()) -> str:
    """A pipe table with padded columns; ``comment`` lines go into an HTML comment at the end."""
    cells = [[_markdown_text(name) for name in sheet.header]]
    cells += [[_markdown_cell(cell) for cell in row] for row in sheet.rows]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(sheet.header))]
    lines = ["| " + " | ".join(map(padded, row, widths, sheet.align)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join(_rule(width, align) for width, align in zip(widths, sheet.align, strict=True)) + "|")
    notes = [_markdown_text(note) for note in sheet.notes]
    parts = [f"**{_markdown_text(sheet.title)}**", "\n".join(lines), *notes]
    if comment:
        parts.append("<!--\n" + "\n".join(line.replace("--", "- -") for line in comment) + "\n-->")
    return "\n\n".join(parts) + "\n"


def padded(text: str, width: int, align: str) -> str:
    """A text at its side of a column."""
    return {"l": text.ljust, "r": text.rjust, "c": text.center}[align](width)


def _rule(width: int, align: str) -> str:
    return {"l": "-" * (width + 2), "r": "-" * (width + 1) + ":", "c": ":" + "-" * width + ":"}[align]


def _markdown_text(text: str) -> str:
    for special in "\\`*|<":  # an underscore inside a word, as in lenet_300_100, is plain text
        text = text.replace(special, "\\" + special)
    return text


def _markdown_cell(cell: Cell) -> str:
    return f"**{_markdown_text(cell.text)}**" if cell.bold else _markdown_text(cell.text)
