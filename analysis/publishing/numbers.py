"""The numbers behind a figure or table: rows of a CSV, each of which has a value for every column.

Knows nothing of what the columns mean.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pruneexp.summary.spread import Spread

if TYPE_CHECKING:
    from analysis.statistics.inference import Comparison  # which loads scipy: a second that figures do not need

#: Values by the name of their column, in the order of the columns; the last is ``runs``, ids with spaces between them.
CsvRow = Mapping[str, Any]


def spread_columns(name: str, of: Spread | Comparison | None) -> dict[str, float | None]:
    """``NAME_mean`` and ``NAME_std``, the sample standard deviation; both absent where there is nothing."""
    return {f"{name}_mean": of.mean, f"{name}_std": of.std} if of else {f"{name}_mean": None, f"{name}_std": None}


def range_columns(name: str, of: Spread | None) -> dict[str, float | None]:
    """The same, then ``NAME_min``, ``NAME_max``, the lowest and the highest seed, and the number ``n`` of seeds."""
    ends = (of.low, of.high, of.n) if of else (None, None, None)
    return spread_columns(name, of) | dict(zip((f"{name}_min", f"{name}_max", "n"), ends, strict=True))


def interval_columns(name: str, of: Comparison | None) -> dict[str, float | None]:
    """``NAME_mean``, and ``NAME_low`` and ``NAME_high``, its 95 % interval."""
    numbers = (of.mean, of.low, of.high) if of else (None, None, None)
    return dict(zip((f"{name}_mean", f"{name}_low", f"{name}_high"), numbers, strict=True))


def verdict_columns(of: Comparison | None) -> dict[str, Any]:
    """A ``difference`` with its interval, and what it amounts to; without a verdict where there is nothing."""
    return {
        **interval_columns("difference", of),
        "p": of.p if of else None,
        "p_equivalent": of.p_equivalent if of else None,
        "margin": of.margin if of else None,
        "verdict": of.verdict if of else "",
        "near_the_line": int(of.near) if of else None,
        "seeds_needed": of.seeds_needed if of else None,
    }


def runs_of(rows: Iterable[CsvRow]) -> set[str]:
    """The ids of the runs behind these rows."""
    return {run for row in rows for run in row["runs"].split()}


def csv_text(rows: Sequence[CsvRow]) -> str:
    """Rows, at least one, as CSV with one header line: numbers in full (ten digits), nothing where one is absent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_number(value) for value in row.values()] for row in rows)
    return text.getvalue()


def _number(value: object) -> object:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else value
