"""Detectors that are pruned, before or after the transfer, as in Liu et al. 2019, Table 7 of the first edition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import pandas as pd

from analysis.names import display_name
from analysis.paper import paper_numbers
from analysis.publishing.numbers import CsvRow, spread_columns, verdict_columns
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text, table_sheet, with_fewer
from analysis.records.frames import Split
from analysis.statistics import columns as beside
from analysis.statistics import detectors, inference, scoring
from analysis.statistics.conditions import ABSENT, cell, headings, joined
from analysis.statistics.detectors import COLUMNS, PRUNE_D, TRANSFERRED, DetectorRow, DetectorRows
from analysis.statistics.inference import Comparison
from analysis.statistics.method_tables import SAME_DENSITY, UNPRUNED
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread

TASK = "detection"
METRICS = {name: Metric(name, "%") for name in ("mAP", "mAP_area")}
PAPER, PAPER_MODEL, PAPER_DATA = "Liu et al. 2019", "faster_rcnn", "voc2007"
#: The paper's networks by the share of its channels that our classifier keeps, ``rethinking/l1_norm/resnet34_a.yaml``.
TARGETS = {("resnet34", "u=0.8909"): "ResNet-34-A", ("resnet34", "u=0.8386"): "ResNet-34-B"}
#: The data sets that have presets, with what detectors start from that are not pruned yet.
_START = {"shapes": "", PAPER_DATA: " train.start_from=resnet34-b627a593.pth"}
_NUMBERS = "rethinking_detection"


class DetectionTable(NamedTuple):
    """Rows that are logged, and (``lacking``) the paper's networks that were asked for and are not."""

    split: Split
    metric: Metric
    of: DetectorRows
    lacking: tuple[str, ...]


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[Literal["mAP", "mAP_area"], "mean over classes: over 11 recalls, or under the curve"] = "mAP",
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
    paper: Annotated[bool, "the paper's rows, though they are not logged"] = False,
) -> DetectionTable:
    """One row per network, data set and size, the paper's last.

    Raises:
        UserError: no detector that a column is for is logged, and the paper's rows are not asked for, or two are of one
            seed and one place.
    """
    logged = frame[frame["task"] == TASK]
    of = detectors.beside_each_other(logged, METRICS[metric], split, margin) if len(logged) else detectors.NOTHING
    if not of.entries and not paper:
        raise UserError("no detector is logged that was pruned, or started from a pruned classifier: "
                        "`python -m pruneexp experiment=rethinking/detection/shapes` makes one, and --paper shows the "
                        "rows of the paper.")  # fmt: skip
    lacking = [name for name in TARGETS.values() if name not in map(_target, of.entries)] if paper else ()
    return DetectionTable(split, METRICS[metric], of, tuple(lacking))


def _target(entry: DetectorRow) -> str:
    """What the paper calls a network, or its budgets."""
    if (entry.data, entry.model) == (PAPER_DATA, PAPER_MODEL):
        for budget in entry.budgets:
            if budget in TARGETS:
                return TARGETS[budget]
    return ", ".join(dict.fromkeys(budget for _, budget in entry.budgets))


def _printed(target: str) -> dict[str, Spread]:
    """The confirmed numbers of a network of the paper's by column, none so far; the dense one goes with each."""
    numbers = paper_numbers(_NUMBERS)
    return {number.method: spread([number.value]) for number in numbers
            if number.row == target or (number.method == UNPRUNED and target in TARGETS.values())}  # fmt: skip


def rows(made: DetectionTable) -> Iterator[CsvRow]:
    """One cell of the table, and by what it is ahead of Prune-C; runs are those of the whole table row.

    The difference is positive for the better, over the seeds that both have.
    """
    for entry in made.of.entries:
        scores, against = dict(entry.scores), dict(entry.against)
        where = (entry.data, entry.model, _target(entry), entry.density, joined(entry.conditions))
        for column, _ in made.of.columns:
            found = _columns(column, scores.get(column), column in entry.best, against.get(column))
            yield {"source": "runs", **_where(made, *where), **found, "runs": " ".join(entry.runs)}
    for target in dict.fromkeys((*map(_target, made.of.entries), *made.lacking)):
        numbers = _printed(target)
        for column in COLUMNS:
            if column in numbers or target in made.lacking:
                found = _columns(column, numbers.get(column))
                yield {"source": PAPER, **_where(made, PAPER_DATA, PAPER_MODEL, target, None, ""), **found, "runs": ""}


def _where(
    made: DetectionTable, data: str, model: str, target: str, density: float | None, conditions: str
) -> Mapping[str, object]:
    where = {"data": data, "model": model, "target": target, "metric": made.metric.name}
    return {**where, "density": density, "conditions": conditions}


def _columns(
    column: str, value: Spread | None, best: bool = False, of: Comparison | None = None
) -> Mapping[str, object]:
    numbers = {"column": column, **spread_columns("value", value), "n": value.n if value else 0, "best": int(best)}
    return {**numbers, "difference_n": of.n if of else None, **verdict_columns(of)}


def sheet(made: DetectionTable) -> TableSheet:
    varying = made.of.varying
    header = ("Data", "Network", *headings(varying), "Target", "Density", *(name for name, _ in made.of.columns), "n")
    title = "Detectors whose backbone is pruned (after Liu et al. 2019, Table 7 of the first edition): "
    return table_sheet(
        title + scoring.with_unit(made.metric, f"{made.metric.title} on {made.split}"),
        header,
        "l" * (3 + len(varying)) + "r" * (len(made.of.columns) + 2),
        _lines(made),
        _notes(made),
    )


def _lines(made: DetectionTable) -> Iterator[tuple[str | Cell, ...]]:
    columns, blank = made.of.columns, [""] * len(made.of.varying)
    reference = _reference(made.of)
    for entry in made.of.entries:
        told, scores, against = dict(entry.conditions), dict(entry.scores), dict(entry.against)
        most = max(value.n for value in scores.values())
        yield (
            *_subject(entry.data, entry.model),
            *(cell(name, told.get(name, ABSENT)) for name in made.of.varying),
            _target(entry),
            f"{entry.density:.3g}",
            *(Cell(with_fewer(spread_text(scores.get(name)), scores.get(name), most), name in entry.best)
              for name, _ in columns),
            str(most),
        )  # fmt: skip
        if against:
            differences = (beside.said(against[name]) if name in against else "" for name, _ in columns)
            yield "", f"against {reference}", *blank, "", "", *differences, ""
    for target in dict.fromkeys((*map(_target, made.of.entries), *made.lacking)):
        numbers = _printed(target)
        if target in made.lacking:
            yield *_subject(PAPER_DATA, PAPER_MODEL), *blank, target, *[MISSING] * (1 + len(columns)), "0"
        if numbers:
            yield "", PAPER, *blank, target, "", *(spread_text(numbers.get(name)) for name, _ in columns), "1"


def _subject(data: str, model: str) -> tuple[str, str]:
    return display_name("data", data), display_name("model", model)


def _reference(of: DetectorRows) -> str:
    return next(name for name, way in of.columns if way == TRANSFERRED["prune"])


def _notes(made: DetectionTable) -> Iterator[str]:
    entries = made.of.entries
    yield (
        "Prune-C: the detector starts from a classifier that was pruned and fine-tuned; Scratch-E, Scratch-B: from one "
        "that was pruned and trained from scratch, for the epochs or the compute of the dense one. Prune-D: the "
        "detector is pruned. Unpruned: the dense networks of Prune-D. A file that no export of ours wrote counts as "
        "unpruned."
    )
    yield (
        "Density: kept share of all weights that can be pruned. A row has networks of which the same share is left, or "
        f"matters, within {SAME_DENSITY}. Mean ± sample standard deviation over n seeds; bold: better than every other "
        f"pruned column of its row; {MISSING}: not logged."
    )
    yield beside.on_verdicts(made.metric, (of for entry in entries for _, of in entry.against)) if entries else ""
    yield "Some columns hold detectors that started from several files, such as one for each seed." * made.of.several
    yield "" if paper_numbers(_NUMBERS) else "None of the paper's numbers is confirmed: they are left out."
    yield f"Not shown: {made.of.left_out} points of detectors that no column is for." if made.of.left_out else ""
    asked = [(entry.data, _target(entry), _missing(made.of, entry)) for entry in entries]
    asked += [(PAPER_DATA, target, list(COLUMNS)) for target in made.lacking]
    yield from dict.fromkeys(command for of in asked for command in _commands(*of))


def _missing(of: DetectorRows, entry: DetectorRow) -> list[str]:
    """The columns of the paper's that a row has no network for."""
    there = {way for name, way in of.columns if name in dict(entry.scores)}
    return [way for way in COLUMNS if way not in there]


def _commands(data: str, target: str, columns: Sequence[str]) -> Iterator[str]:
    """What runs these columns of a row: the detector itself, then classifiers and what starts from them."""
    if not columns:
        return
    if data not in _START:
        yield "What is not logged is run as docs/own.md says."
        return
    preset, known = f"experiment=rethinking/detection/{data}", target in TARGETS.values()
    unable = [PRUNE_D] if known and target != "ResNet-34-A" else []
    if own := [name for name in (UNPRUNED, PRUNE_D) if name in columns and name not in unable]:
        yield f"To be run: python -m pruneexp {preset}{_START[data]}; that makes {' and '.join(own)}."
    yield from (f"No preset makes {name} of {target}." for name in unable if name in columns)
    for mode, name in TRANSFERRED.items():
        if name in columns:
            yield f"To be run: {_transfer(mode, preset, target if known else '')}; that makes {name}."


def _transfer(mode: str, preset: str, target: str) -> str:
    """The commands for a classifier of the paper's, its export and the detector; without a target for the last two."""
    if not target:
        return (
            f"python -m pruneexp.export mode={mode} --to {mode}, of a classifier (docs/own.md has one); python -m "
            f"pruneexp {preset}_transfer train.start_from={mode}/weights.safetensors"
        )
    network = target.lower().replace("-", "", 1).replace("-", "_")  # resnet34_a
    (share,) = (budget.removeprefix("u=") for (_, budget), name in TARGETS.items() if name == target)
    small, folder = " +mode.small_init=true" * (mode != "prune"), f"{network}_{mode}"
    return (
        f"python -m pruneexp experiment=rethinking/l1_norm/{network} mode={mode}{small}; python -m pruneexp.export "
        f"model=resnet34 mode={mode} units={share} --to {folder}; python -m pruneexp {preset}_transfer "
        f"train.start_from={folder}/weights.safetensors"
    )
