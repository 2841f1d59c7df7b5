"""Detectors that are pruned, or whose backbone was pruned as a classifier, beside each other (Liu et al. 2019).

Knows the columns of points, and no table. A row has networks of which the same share is left, and one recipe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import columns as beside
from analysis.statistics import selection, test_sets
from analysis.statistics.conditions import telling, telling_within, texts, words
from analysis.statistics.inference import Comparison
from analysis.statistics.method_tables import SAME_DENSITY, UNPRUNED
from pruneexp.errors import UserError
from pruneexp.schema import EXPLAINED, OF_A_MODE, Budget, Metric
from pruneexp.summary.spread import Spread, spread

PRUNE_D = "Prune-D"
#: Columns of detectors whose backbone was pruned before, by the mode of the classifier.
TRANSFERRED: Mapping[str, str] = {"prune": "Prune-C", "scratch_e": "Scratch-E", "scratch_b": "Scratch-B"}
COLUMNS = (UNPRUNED, TRANSFERRED["prune"], PRUNE_D, TRANSFERRED["scratch_e"], TRANSFERRED["scratch_b"])

#: What dense networks of one recipe may differ in, and what the ways to prune differ in by themselves.
_DENSE = ("train_epochs", "train_schedule", "started_from", "dense_settings")
_CUT = (
    "criterion", "prunable", "schedule", "path", "schedule_settings", "batchnorm", "retrain_scope", "retrain_epochs",
    "retrain_lr_factor", "prune_settings",
    *EXPLAINED["prune_settings"], *EXPLAINED["schedule_settings"], *OF_A_MODE,
)  # fmt: skip
#: What the networks of one row have in common.
_SHARED = tuple(name for name in frames.CONDITIONS if name not in (*_DENSE, *_CUT))
#: What tells columns of one way apart; what file a transferred backbone is from follows from its row, or is a seed's.
_TOLD = {way: [name for name in frames.CONDITIONS if name in names] for way, names in (
    *((way, _CUT) for way in TRANSFERRED.values()), (PRUNE_D, (*_DENSE, *_CUT)), (UNPRUNED, _DENSE))}  # fmt: skip
#: How records name the pruned network of an export.
_EXPORT = re.compile(r"(?P<model>\S+) (?P<mode>\w+) (?P<budget>[a-z]=\S+)")


class DetectorRow(NamedTuple):
    """Scores by column, and what each is ahead of the reference by; ``best`` is better than all other pruned ones.

    ``budgets`` are those of detectors (Prune-D) and classifiers, as ``d=0.5``, each with the network that had it.
    ``density`` is that of all prunable weights, the mean over the pruned networks.
    """

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    budgets: tuple[tuple[str, str], ...]
    density: float
    scores: tuple[tuple[str, Spread], ...]
    against: tuple[tuple[str, Comparison], ...]
    best: tuple[str, ...]
    runs: tuple[str, ...]


class DetectorRows(NamedTuple):
    """Rows with their columns, each with its way; ``varying`` are the conditions that tell rows apart.

    ``several``: detectors of one column and row started from more than one file. ``left_out`` counts points in no row.
    """

    columns: tuple[tuple[str, str], ...]
    varying: tuple[str, ...]
    entries: tuple[DetectorRow, ...]
    several: bool
    left_out: int


#: The columns, and no row.
NOTHING = DetectorRows(tuple((way, way) for way in COLUMNS), (), (), False, 0)


class _Cell(NamedTuple):
    """The networks of one column that are of one size."""

    column: str
    budget: tuple[str, str]
    points: pd.DataFrame

    def as_large_as(self, other: _Cell) -> bool:
        """Whether the same share of weights is left, or matters: some criteria leave weights that read nothing."""
        return any(abs(self.points[name].mean() - other.points[name].mean()) <= SAME_DENSITY
                   for name in ("density", "density_effective"))  # fmt: skip


def beside_each_other(frame: pd.DataFrame, metric: Metric, split: Split, margin: float) -> DetectorRows:
    """One row per network, data set, recipe and size of detectors that are logged with the metric.

    Raises:
        UserError: two networks of one seed would be in one place, or a margin is none.
    """
    scores = {f"{split}.{moment}.{metric.name}": moment for moment in ("dense", "after")}
    points = frame.rename(columns=scores).dropna(subset=list(scores.values()))
    ways = [_way(*of) for of in zip(*(points[name] for name in ("started_from", "train_epochs", "model", "mode")),
                                    strict=True)]  # fmt: skip
    points = points.assign(way=ways)
    shown, columns = _with_columns(points[points["way"] != ""])
    found = [(key, size, _unpruned(rows)) for key, rows in selection.groups(shown, (*frames.SUBJECT, *_SHARED))
             for size in _sizes(rows)]  # fmt: skip
    values = [{cell.column: _by_seed(cell) for cell in size} for _, size, _ in found]
    margins = [test_sets.margin(pd.concat(cell.points for cell in size), margin) for _, size, _ in found]
    reference = next(column for column, way in columns if way == TRANSFERRED["prune"])
    judged = zip(beside.against(reference, values, metric, margins), beside.best(values, metric, margins), strict=True)
    return DetectorRows(
        columns,
        telling_within([key for key, _, _ in found], _SHARED, frames.SUBJECT),
        tuple(_entry(*of, *verdicts, columns) for of, verdicts in zip(found, judged, strict=True)),
        any(cell.points["dense_settings"].nunique() > 1 for _, size, _ in found for cell in size),
        len(points) - len(shown),
    )


def _way(started: object, train_epochs: int, model: str, mode: str) -> str:
    """The column of a detector; empty where it has none.

    A backbone that was pruned is shown where nothing was trained before it was cut again, for that lets its zeros grow.
    Without a training the head of a detector is fresh, so that its dense network says nothing.
    """
    if mode != "prune":
        return ""
    export = _EXPORT.fullmatch(str(started))
    if export is None:
        return PRUNE_D if train_epochs else ""
    return TRANSFERRED.get(export["mode"], "") if not train_epochs and export["model"] != model else ""


def _with_columns(points: pd.DataFrame) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """The points with the ``column`` and the ``unpruned`` one that they belong to, and every column with its way."""
    made = points.assign(column="", unpruned="")
    columns: list[tuple[str, str]] = []
    for way in COLUMNS:
        rows = points[points["way"] == (PRUNE_D if way == UNPRUNED else way)]
        found = list(selection.groups(rows, _TOLD[way]))
        needed = telling([key for key, _ in found], _TOLD[way]) if found else ()
        names = [", ".join(filter(None, (way, words(key, needed)))) for key, _ in found]
        for name, (_, same) in zip(names, found, strict=True):
            made.loc[same.index, "unpruned" if way == UNPRUNED else "column"] = name
        columns += [(name, way) for name in dict.fromkeys(names or [way])]
    return made, tuple(columns)


def _sizes(rows: pd.DataFrame) -> Iterator[list[_Cell]]:
    """The cells of each row, the largest networks first; a column has one of them at most."""
    cells = []
    for key, same in selection.groups(rows, ("column", "way", *frames.BUDGET, "started_from")):
        export = _EXPORT.fullmatch(str(key["started_from"])) if key["way"] != PRUNE_D else None
        own = Budget(key["budget.kind"], key["budget.value"]).text
        cells.append(_Cell(key["column"], (export["model"], export["budget"]) if export else ("", own), same))
    cells.sort(key=lambda cell: (-cell.points["density"].mean(), cell.column, cell.budget))
    while cells:
        size: list[_Cell] = []
        for cell in cells:
            if not size or (cell.as_large_as(size[0]) and cell.column not in [one.column for one in size]):
                size.append(cell)
        cells = [cell for cell in cells if not any(cell is one for one in size)]
        yield size


def _by_seed(cell: _Cell) -> dict[int, float]:
    seeds = cell.points["seed"]
    if not seeds.is_unique:
        raise UserError(f"several detectors of {cell.column} with one seed started from classifiers of one mode and "
                        "budget: choose with --where by dense_settings, experiment or sweep.")  # fmt: skip
    return dict(zip(seeds, cell.points["after"], strict=True))


def _unpruned(rows: pd.DataFrame) -> dict[str, Spread]:
    """The dense networks of one recipe, each once, at all of its sizes."""
    dense = rows[rows["way"] == PRUNE_D].drop_duplicates(["unpruned", "dense_key"])
    return {str(name): spread(same["dense"]) for name, same in dense.groupby("unpruned")}


def _entry(
    key: Mapping[str, Any],
    size: Sequence[_Cell],
    unpruned: Mapping[str, Spread],
    against: Mapping[str, Comparison],
    best: tuple[str, ...],
    columns: Sequence[tuple[str, str]],
) -> DetectorRow:
    scores = {**unpruned, **{cell.column: spread(cell.points["after"]) for cell in size}}
    points = pd.concat(cell.points for cell in size)
    return DetectorRow(
        data=str(key["data"]),
        model=str(key["model"]),
        conditions=texts(key, _SHARED),
        budgets=tuple(dict.fromkeys(cell.budget for cell in size)),
        density=spread(points["density"]).mean,
        scores=tuple((column, scores[column]) for column, _ in columns if column in scores),
        against=tuple((column, against[column]) for column, _ in columns if column in against),
        best=best,
        runs=tuple(sorted(points["run_id"])),
    )
