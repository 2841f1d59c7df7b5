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
from pruneexp.summary.spread import Spread

FOLDER = Path(__file__).parent / "reference"
CONFIRMED = ("verified", "digitised", "derived")

#: Of Liu et al. 2019, Table 6, by their names here; its VGG-16 on ImageNet has batch norm.
RETHINKING_MODELS = {
    "vgg19_cifar": "VGG-19",
    "preresnet110": "PreResNet-110",
    "densenet_bc_100": "DenseNet-BC-100",
    "vgg16_bn": "VGG-16",
    "resnet50": "ResNet-50",
}
RETHINKING_DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet"}
UNPRUNED = "Unpruned"
SAME_DENSITY = 0.005  # a paper's number stands under ours where the densities differ by no more


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
    """A row of Han et al. 2015, Table 1; errors in percent."""

    name: str
    dataset: str
    reference_top1: float
    pruned_top1: float
    reference_top5: float | None
    pruned_top5: float | None
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
    name = display_name("model", model)
    printed = [number for number in paper_numbers("han2015_table1_headline") if number.model == name]
    if not printed:
        return None
    values = {(number.method, number.metric): number.value for number in printed}
    return PaperHeadline(
        name=name,
        dataset=printed[0].dataset,
        reference_top1=values["reference", "top1_error"],
        pruned_top1=values["pruned", "top1_error"],
        reference_top5=values.get(("reference", "top5_error")),
        pruned_top5=values.get(("pruned", "top5_error")),
        weights=values["reference", "parameters"],
        kept=values["pruned", "parameters"],
        rate=values["pruned", "compression_rate"],
    )


def rethinking(dataset: str, model: str, density: float) -> tuple[tuple[str, Spread], ...]:
    """The row of Liu et al. 2019, Table 6, at a density, by its columns; empty where the paper has none.

    It gives mean and standard deviation of 5 runs on CIFAR and one run on ImageNet, no extremes.
    """
    wanted = RETHINKING_MODELS.get(model), RETHINKING_DATA.get(dataset)
    printed = [number for number in paper_numbers("rethinking_table6_unstructured")
               if (number.model, number.dataset) == wanted]  # fmt: skip
    found = tuple(
        (number.method, Spread(number.value, number.std, number.value, number.value, 1 if number.std is None else 5))
        for number in printed
        if (number.x is not None and abs(1.0 - number.x / 100.0 - density) <= SAME_DENSITY) or number.method == UNPRUNED
    )
    return found if len(found) > 1 else ()


def _number(row: dict[str, str]) -> PaperNumber:
    texts = {name: row[name] for name in PaperNumber._fields if name not in ("x", "value", "std")}
    return PaperNumber(**texts, x=_optional(row["x"]), value=float(row["value"]), std=_optional(row["std"]))


def _optional(text: str) -> float | None:
    return float(text) if text else None
