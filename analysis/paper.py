"""The papers' numbers that the publication prints, from the CSVs in ``reference/``: never typed into code.

Each row keeps its source and how sure it is: ``verified`` (read in a text), ``digitised`` (read off a figure),
``derived`` (computed from verified ones). Rows that are merely ``recalled`` are not shown at all.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

from analysis.names import display_name

FOLDER = Path(__file__).parent / "reference"
CONFIRMED = ("verified", "digitised", "derived")
#: Networks that the summary of Han's thesis has beside those of the paper, by our names.
THESIS = {"googlenet": "GoogleNet", "squeezenet1_0": "SqueezeNet", "resnet50": "ResNet-50"}
#: Networks of Han et al. 2015, Table 1, then those that the thesis has beside them, and the preset that runs each.
HEADLINES = {
    "lenet_300_100": "han2015/lenet_300_100",
    "lenet5": "han2015/lenet5",
    "alexnet": "han2015/alexnet",
    "vgg16": "han2015/vgg16",
    "googlenet": "hanthesis/googlenet",
    "squeezenet1_0": "hanthesis/squeezenet",
    "resnet50": "hanthesis/resnet50",
}


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


class PaperHeadline(NamedTuple):
    """A row of Han et al. 2015, Table 1, or of Han's thesis, Table 3.1, as ``source`` says; errors in percent."""

    source: str
    name: str
    data: str
    reference_top1_error: float
    pruned_top1_error: float
    reference_top5_error: float | None
    pruned_top5_error: float | None
    weights: float
    kept: float
    rate: float


@cache
def paper_numbers(name: str) -> tuple[PaperNumber, ...]:
    """The confirmed rows of ``reference/NAME.csv``, in the file's order."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_number(row) for row in csv.DictReader(file) if row["confidence"] in CONFIRMED)


def headline_of(model: str) -> PaperHeadline | None:
    """The row of a network by its name here; None where the paper has none."""
    name, source, file = display_name("model", model), "Han et al. 2015", "han2015_table1_headline"
    if model in THESIS:
        name, source, file = THESIS[model], "Han's thesis, Table 3.1", "hanthesis_table3_1_summary"
    printed = [number for number in paper_numbers(file) if number.model == name]
    if not printed:
        return None
    values = {(number.method, number.metric): number.value for number in printed}
    return PaperHeadline(
        source=source,
        name=name,
        data=printed[0].dataset,
        reference_top1_error=values["reference", "top1_error"],
        pruned_top1_error=values["pruned", "top1_error"],
        reference_top5_error=values.get(("reference", "top5_error")),
        pruned_top5_error=values.get(("pruned", "top5_error")),
        weights=values["reference", "parameters"],
        kept=values["pruned", "parameters"],
        rate=values["pruned", "compression_rate"],
    )


@cache
def discrepancies() -> tuple[tuple[str, str, str], ...]:
    """Where editions of Liu et al. 2019, or its code release, disagree: the table, the row, and what each has."""
    with (FOLDER / "rethinking_discrepancies.csv").open(encoding="utf-8", newline="") as file:
        return tuple((row["table"], row["row"], row["difference"]) for row in csv.DictReader(file))


def _number(row: dict[str, str]) -> PaperNumber:
    texts = {name: row[name] for name in PaperNumber._fields if name not in ("x", "value", "std")}
    return PaperNumber(**texts, x=_optional(row["x"]), value=float(row["value"]), std=_optional(row["std"]))


def _optional(text: str) -> float | None:
    return float(text) if text else None
