"""Networks that were pruned alike and trained in several ways, beside each other: fine-tuned, from scratch, rewound.

Knows the columns of points and the rows that Liu et al. 2019 print of them, and no table. Runs of different settings
are never in one row; what tells rows apart is named by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import columns as beside
from analysis.statistics import selection, test_sets
from analysis.statistics.conditions import hashed, telling, telling_within, texts, words
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Comparison
from analysis.statistics.method_tables import LOGGED, TABLES, Method, MethodTable, PaperRow, row_of, table_of
from pruneexp.errors import UserError
from pruneexp.schema import OF_A_MODE, TOP1, Metric
from pruneexp.summary.spread import Spread, spread

MODES = {
    "prune": "Fine-tuned",
    "scratch_e": "Scratch-E",
    "scratch_b": "Scratch-B",
    "scratch_b_retraining": "Scratch-B and retraining",
    "rewind": "Rewound",
    "lr_rewind": "LR rewound",
}
#: Those that have a column even where they are not logged.
COLUMNS = {mode: MODES[mode] for mode in ("prune", "scratch_e", "scratch_b", "rewind")}
METHOD = ("reg", "criterion", "schedule")  # told for every table, as columns or below it
#: What the modes of one row have in common; each mode's own switches are not.
SHARED = tuple(name for name in frames.CONDITIONS if name not in OF_A_MODE)
#: In the order that columns are sorted by: what a reader sees first, the hash last.
SWITCHES = tuple(sorted((name for name in frames.CONDITIONS if name in OF_A_MODE), key=hashed))
#: Modes that train for as long as the dense network or its compute, and never fine-tune.
_UNTOUCHED = ("scratch_e", "scratch_b", "rewind")
#: What fine-tuning is told by, the hash last, which has what no other column does; and what it begins with.
_FINE_TUNING = ("retrain_scope", "retrain_epochs", "retrain_lr_factor", "retrain_schedule", "prune_settings")
_MASK = (*frames.SUBJECT, *(name for name in SHARED if name not in _FINE_TUNING), *frames.BUDGET, "seed", "mask_key")
#: What a row of the paper's is recognised by.
_MEASURED = ("density_scope", "removed_parameters", "removed_flop", "flop_total")
#: The scores of a point, as they are called here.
_MOMENTS = ("dense", "before", "after", "change_after")


class DensityRow(NamedTuple):
    """One row: scores by column, and what each is ahead of the reference by, in all and (``gains``) by seed.

    ``changes`` are the scores against the dense network of the same seed, ``pruned`` is that before fine-tuning.
    ``best`` has the column that is better than all others, if one is.
    """

    data: str
    model: str
    budget: str
    density: float  # of the weights that the criterion may touch, mean over what was logged
    density_all: float  # of all prunable weights
    conditions: tuple[tuple[str, str], ...]
    unpruned: Spread
    pruned: Spread | None
    scores: tuple[tuple[str, Spread], ...]
    changes: tuple[tuple[str, Spread], ...]
    against: tuple[tuple[str, Comparison], ...]
    gains: tuple[tuple[str, Mapping[int, float]], ...]
    best: tuple[str, ...]
    paper: PaperRow | None
    runs: tuple[str, ...]

    @property
    def table(self) -> MethodTable | None:
        """The paper's table on the criterion."""
        name = table_of(dict(self.conditions)["criterion"])
        return TABLES[name] if name else None


class ModeColumns(NamedTuple):
    """Rows with their columns: those of the pruned networks, with the mode of each.

    The first is the reference that all others are compared with. ``varying`` are the conditions that tell rows apart.
    """

    columns: tuple[tuple[str, str], ...]
    varying: tuple[str, ...]
    entries: tuple[DensityRow, ...]
    shown: int


class _Group(NamedTuple):
    """The points of one row, before they are summed up."""

    key: Mapping[str, Any]
    points: pd.DataFrame
    paper: PaperRow | None


def scored(frame: pd.DataFrame, metric: Metric, split: Split) -> pd.DataFrame:
    """The points that have the metric, in the modes that are compared, with their scores under short names."""
    names = {f"{split}.{moment}.{metric.name}": moment for moment in _MOMENTS}
    own = ("dense_key", "mask_key", "final_key", "density", "run_id", "seed", "test_examples")
    needed = [*frames.SUBJECT, *SHARED, *frames.BUDGET, *OF_A_MODE, *_MEASURED, *own, *names]
    among = frame[frame["mode"].isin(list(MODES))]
    return _beside_each_recipe(among[needed].rename(columns=names).dropna(subset=["after"]))


def _beside_each_recipe(points: pd.DataFrame) -> pd.DataFrame:
    """The points, those that no recipe of fine-tuning touches once for each that their mask was fine-tuned by.

    They were logged under one of these recipes, or again under each. Where nothing else has their mask, they go by the
    first recipe that it was logged with.
    """
    bare, columns = points["mode"].isin(_UNTOUCHED), [*_MASK, *_FINE_TUNING]
    once = points[bare].drop_duplicates(["final_key", *_MASK, *OF_A_MODE])
    tuned = points.loc[points["mode"] == "prune", columns].drop_duplicates()
    first = once[columns].drop_duplicates(list(_MASK))
    known = first[list(_MASK)].merge(tuned[list(_MASK)].drop_duplicates(), how="left", indicator=True)["_merge"]
    recipes = pd.concat([tuned, first[(known == "left_only").to_numpy()]])
    beside = once.drop(columns=list(_FINE_TUNING)).merge(recipes, on=list(_MASK))
    return pd.concat([points[~bare], beside[points.columns]], ignore_index=True)


def beside_each_other(
    points: pd.DataFrame, metric: Metric, margin: float, table: Method = LOGGED, reference: str = "prune"
) -> ModeColumns:
    """One entry per network, data set, budget and set of conditions, of points that ``scored`` gives.

    A set of conditions counts when at least one of its budgets was logged in two modes; the curves of a trade-off that
    were only ever fine-tuned compare nothing. In a table of the paper's, its own rows count in any mode. ``reference``
    is the mode that others are compared with.

    Raises:
        UserError: a margin is none.
    """
    found = _groups(points, metric, table)
    if not found:
        return ModeColumns(_columns_of_modes(), (), (), 0)
    shown, columns = _with_columns(points.loc[[index for each in found for index in each.points.index]], reference)
    found = [each._replace(points=shown.loc[each.points.index]) for each in found]
    entries = _judged([_entry(each, columns) for each in found], found, columns[0][0], metric, margin)
    ordered = sorted(entries, key=lambda entry: (entry.data, entry.model, entry.conditions, -entry.density,
                                                 entry.budget))  # fmt: skip
    return ModeColumns(columns, _varying([each.key for each in found]), tuple(ordered), shown["run_id"].nunique())


def missing(points: pd.DataFrame) -> UserError:
    """Why points compare nothing."""
    if points.empty:
        return UserError(f"no point with this metric is logged in the modes {', '.join(MODES)}.")
    alone = ", ".join(f"mode={mode}" for mode in MODES if mode in set(points["mode"]))
    return UserError(f"no budget is logged in two modes under the same conditions (there is {alone}).")


def _groups(points: pd.DataFrame, metric: Metric, table: Method) -> list[_Group]:
    """The points of each row that counts."""
    if table != LOGGED:
        points = points[points["criterion"].isin(TABLES[table].criteria)]
    found = [_Group(key, rows, _paper(key, rows, metric)) for key, rows in selection.groups(
        points, (*frames.SUBJECT, *SHARED, *frames.BUDGET))]  # fmt: skip
    compared = {_setting(each) for each in found if each.points["mode"].nunique() > 1}
    return [each for each in found if _setting(each) in compared or (table != LOGGED and each.paper)]


def _setting(group: _Group) -> tuple[Any, ...]:
    return tuple(group.key[name] for name in (*frames.SUBJECT, *SHARED))


def _paper(key: Mapping[str, Any], rows: pd.DataFrame, metric: Metric) -> PaperRow | None:
    means = {name: float(rows[name].mean()) for name in _MEASURED}
    return row_of(key, means) if metric == TOP1 else None


def _columns_of_modes() -> tuple[tuple[str, str], ...]:
    return tuple((name, mode) for mode, name in COLUMNS.items())


def _judged(
    entries: Sequence[DensityRow], found: Sequence[_Group], reference: str, metric: Metric, margin: float
) -> list[DensityRow]:
    """The entries with what their columns amount to against each other."""
    values = [{str(column): dict(zip(same["seed"], same["after"], strict=True))
               for column, same in each.points.groupby("column")} for each in found]  # fmt: skip
    margins = [test_sets.margin(each.points, margin) for each in found]
    step = max(test_sets.step(each.points, metric) for each in found)
    against = beside.against(reference, values, metric, margins, step)
    best = beside.best(values, metric, margins, step)
    return [
        entry._replace(
            against=tuple((name, of[name]) for name, _ in entry.scores if name in of),
            gains=tuple((name, beside.differences(row[name], row[reference], metric)) for name in of),
            best=leader,
        )
        for entry, row, of, leader in zip(entries, values, against, best, strict=True)
    ]


def _with_columns(points: pd.DataFrame, reference: str) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """The points with the ``column`` that each belongs to, and every column with its mode, the reference first."""
    names = pd.Series("", index=points.index)
    columns: list[tuple[str, str]] = []
    for mode, name in sorted(MODES.items(), key=lambda item: item[0] != reference):
        found = list(selection.groups(points[points["mode"] == mode], SWITCHES))
        needed = telling([key for key, _ in found], SWITCHES) if found else ()
        for key, rows in found:
            columns.append((", ".join(filter(None, (name, words(key, needed)))), mode))
            names[rows.index] = columns[-1][0]
        if not found and mode in COLUMNS:
            columns.append((name, mode))
    return points.assign(column=names), tuple(columns)


def _varying(keys: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The conditions a reader needs to tell rows apart: not a recipe that follows from network and data set."""
    several = {name for name in METHOD if len({key[name] for key in keys}) > 1}
    needed = several.union(telling_within(keys, SHARED, frames.SUBJECT))
    return tuple(name for name in SHARED if name in needed)


def _entry(group: _Group, columns: Iterable[tuple[str, str]]) -> DensityRow:
    key, rows = group.key, group.points
    return DensityRow(
        data=str(key["data"]),
        model=str(key["model"]),
        budget=budget_text(str(key["budget.kind"]), float(key["budget.value"])),
        density=spread(rows["density_scope"]).mean,
        density_all=spread(rows["density"]).mean,
        conditions=texts(key, SHARED),
        unpruned=spread(dict(zip(rows["dense_key"], rows["dense"], strict=True)).values()),
        pruned=_spread(rows.loc[rows["mode"] == "prune", "before"]),
        scores=_by_column(rows, "after", columns),
        changes=_by_column(rows, "change_after", columns),
        against=(),
        gains=(),
        best=(),
        paper=group.paper,
        runs=tuple(sorted(rows["run_id"])),
    )


def _by_column(rows: pd.DataFrame, of: str, columns: Iterable[tuple[str, str]]) -> tuple[tuple[str, Spread], ...]:
    found = {column: _spread(same[of]) for column, same in rows.groupby("column")}
    return tuple((column, value) for column, _ in columns if (value := found.get(column)) is not None)


def _spread(values: pd.Series[float]) -> Spread | None:
    known = [value for value in values if math.isfinite(value)]
    return spread(known) if known else None
