"""The papers' numbers that the publication prints, from the CSVs in ``reference/``: never typed into code.

Each row keeps its source and how sure it is: ``verified`` (read in a text), ``digitised`` (read off a figure),
``derived`` (computed from verified ones). Rows that are merely ``recalled`` are not shown at all.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "reference"
CONFIRMED = ("verified", "digitised", "derived")


class PaperNumber(NamedTuple):
    """One printed number. ``x`` is the operating point where the number has one; units are spelled out beside each."""

    paper: str
    table: str
    model: str
    dataset: str
    method: str
    row: str
    metric: str
    x: float | None
    x_unit: str
    value: float
    unit: str
    std: float | None
    source: str
    confidence: str


@cache
def paper_numbers(name: str) -> tuple[PaperNumber, ...]:
    """The confirmed rows of ``reference/NAME.csv``, in the file's order."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_number(row) for row in csv.DictReader(file) if row["confidence"] in CONFIRMED)


def _number(row: dict[str, str]) -> PaperNumber:
    texts = {name: row[name] for name in PaperNumber._fields if name not in ("x", "value", "std")}
    return PaperNumber(**texts, x=_optional(row["x"]), value=float(row["value"]), std=_optional(row["std"]))


def _optional(text: str) -> float | None:
    return float(text) if text else None
