"""Inherited weights against fresh ones at the same sparsity, as in Liu et al. 2019, Table 6."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.names import display_name
from analysis.paper import SAME_DENSITY, UNPRUNED, rethinking
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import columns as beside
from analysis.statistics import inference, scoring, selection, test_sets
from analysis.statistics.conditions import ABSENT, cell, hashed, joined, telling, texts, words
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Comparison
from pruneexp.errors import UserError
from pruneexp.schema import OF_A_MODE, TOP1, Metric
from pruneexp.summary.spread import Spread, spread

COLUMNS = {"prune": "Fine-tuned", "scratch_e": "Scratch-E", "scratch_b": "Scratch-B", "rewind": "Rewound"}
_MODES = {**COLUMNS, "lr_rewind": "LR rewound"}  # those of COLUMNS have a column even where they are not logged
_METHOD = ("reg", "criterion", "schedule")  # told for every table, as columns or below it
#: What the modes of one row have in common; each mode's own switches are not.
SHARED = tuple(name for name in frames.CONDITIONS if name not in OF_A_MODE)
#: In the order that columns are sorted by: what a reader sees first, the hash last.
SWITCHES = tuple(sorted((name for name in frames.CONDITIONS if name in OF_A_MODE), key=hashed))


class DensityRow(NamedTuple):
    """One row: scores by column, and what each is ahead of ``PruneVsScratch.reference`` by.

    ``best`` has the column that is better than all others, if one is.
    """

    data: str
    model: str
    budget: str
    density: float  # of the weights that the criterion may touch, mean over what was logged
    density_all: float  # of all prunable weights
    conditions: tuple[tuple[str, str], ...]
    unpruned: Spread
    scores: tuple[tuple[str, Spread], ...]
    against: tuple[tuple[str, Comparison], ...]
    best: tuple[str, ...]
    paper: tuple[tuple[str, Spread], ...]
    runs: tuple[str, ...]


class PruneVsScratch(NamedTuple):
    """The table; ``varying`` names the conditions that tell its rows apart.

    ``columns`` are those of the pruned networks with their mode: several of a mode whose switches differ. The others
    are compared with ``reference``, the first of them. ``left_out`` counts the points of curves in one mode alone.
    """

    split: Split
    metric: Metric
    columns: tuple[tuple[str, str], ...]
    reference: str
    varying: tuple[str, ...]
    entries: tuple[DensityRow, ...]
    left_out: int
    test_set: str


class ModeRow(NamedTuple):
    """One cell of the table, and by what it is ahead of the fine-tuned networks; run ids are of the whole table row.

    The difference is positive for the better, with its 95 % interval, over the seeds that both have.
    """

    source: str
    data: str
    model: str
    metric: str
    budget: str
    density: float
    density_all: float | None
    conditions: str
    column: str
    value_mean: float
    value_std: float | None
    n: int | None
    best: int
    difference_n: int | None = None
    difference_mean: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    p: float | None = None
    p_equivalent: float | None = None
    margin: float | None = None
    verdict: str = ""
    near_the_line: int | None = None
    seeds_needed: int | None = None
    runs: str = ""


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
) -> PruneVsScratch:
    """One entry per (data, model, density) and per set of conditions, from the modes that were logged.

    A set of conditions counts when at least one of its budgets was logged in two modes; the curves of a trade-off that
    were only ever fine-tuned compare nothing.

    Raises:
        UserError: nothing with this metric is logged, or nothing that could be compared.
    """
    chosen = scoring.primary(frame) if metric == scoring.AUTO else scoring.shown(frame, metric)
    scores = {f"{split}.{moment}.{chosen.name}": moment for moment in ("dense", "after")}
    setting = [*frames.SUBJECT, *SHARED]
    needed = [*setting, *frames.BUDGET, *OF_A_MODE, "dense_key", "density", "density_scope", "run_id", "seed",
              "test_examples", *scores]  # fmt: skip
    everything = frame[frame["mode"].isin(list(_MODES))]
    points = everything[needed].rename(columns=scores).dropna(subset=["after"])
    if points.empty:
        raise UserError(f"no point with a {chosen.title} is logged in the modes {', '.join(_MODES)}.")
    modes = points.groupby([*setting, *frames.BUDGET], dropna=False)["mode"].transform("nunique")
    compared = points[modes.groupby([points[name] for name in setting], dropna=False).transform("max") > 1]
    if compared.empty:
        alone = ", ".join(f"mode={mode}" for mode in _MODES if mode in set(points["mode"]))
        raise UserError(f"no budget is logged in two modes under the same conditions (there is {alone}).")
    compared, columns = _with_columns(compared)
    found = list(selection.groups(compared, (*setting, *frames.BUDGET)))
    made = [_entry(key, rows, columns, chosen) for key, rows in found]
    entries = _judged(made, found, columns[0][0], chosen, margin)
    order = sorted(entries, key=lambda entry: (entry.data, entry.model, entry.conditions, -entry.density, entry.budget))
    varying = _varying([key for key, _ in found])
    note = test_sets.note(everything, chosen, split)
    return PruneVsScratch(
        split, chosen, columns, columns[0][0], varying, tuple(order), len(everything) - len(compared), note
    )


def _judged(
    entries: Sequence[DensityRow],
    found: Sequence[tuple[Any, pd.DataFrame]],
    reference: str,
    metric: Metric,
    margin: float,
) -> list[DensityRow]:
    """The entries with what their columns amount to against each other."""
    values = [{str(column): dict(zip(same["seed"], same["after"], strict=True))
               for column, same in rows.groupby("column")} for _, rows in found]  # fmt: skip
    margins = [test_sets.margin(rows, margin) for _, rows in found]
    against = beside.against(reference, values, metric, margins)
    best = beside.best(values, metric, margins)
    return [
        entry._replace(against=tuple((name, of[name]) for name, _ in entry.scores if name in of), best=leader)
        for entry, of, leader in zip(entries, against, best, strict=True)
    ]


def _with_columns(points: pd.DataFrame) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """The points with the ``column`` that each belongs to, and every column with its mode."""
    names = pd.Series("", index=points.index)
    columns: list[tuple[str, str]] = []
    for mode, name in _MODES.items():
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
    several = {name for name in _METHOD if len({key[name] for key in keys}) > 1}
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for key in keys:
        alike.setdefault(tuple(key[name] for name in frames.SUBJECT), []).append(key)
    needed = several.union(*(telling(same, SHARED) for same in alike.values()))
    return tuple(name for name in SHARED if name in needed)


def _entry(
    key: Mapping[str, Any], rows: pd.DataFrame, columns: Iterable[tuple[str, str]], metric: Metric
) -> DensityRow:
    scores = {column: spread(same["after"]) for column, same in rows.groupby("column")}
    named = tuple((column, scores[column]) for column, _ in columns if column in scores)
    density = spread(rows["density_scope"]).mean
    return DensityRow(
        data=str(key["data"]),
        model=str(key["model"]),
        budget=budget_text(str(key["budget.kind"]), float(key["budget.value"])),
        density=density,
        density_all=spread(rows["density"]).mean,
        conditions=texts(key, SHARED),
        unpruned=spread(dict(zip(rows["dense_key"], rows["dense"], strict=True)).values()),
        scores=named,
        against=(),
        best=(),
        paper=rethinking(str(key["data"]), str(key["model"]), density) if metric == TOP1 else (),
        runs=tuple(sorted(rows["run_id"])),
    )


def runs(made: PruneVsScratch) -> tuple[str, ...]:
    return tuple(sorted(run for entry in made.entries for run in entry.runs))


def rows(made: PruneVsScratch) -> Iterable[ModeRow]:
    for entry in made.entries:
        conditions, against, runs = joined(entry.conditions), dict(entry.against), " ".join(entry.runs)
        where = entry.data, entry.model, made.metric.name, entry.budget, entry.density
        for column, value in ((UNPRUNED, entry.unpruned), *entry.scores):
            numbers = value.mean, value.std, value.n, int(column in entry.best)
            row = ModeRow("runs", *where, entry.density_all, conditions, column, *numbers, runs=runs)
            yield row._replace(**_verdict(against[column])) if column in against else row
        for column, value in entry.paper:
            numbers = value.mean, value.std, value.n, 0
            yield ModeRow("Liu et al. 2019, Table 6", *where, None, "", column, *numbers)


def _verdict(of: Comparison) -> dict[str, Any]:
    """A comparison under the names of the columns of a row."""
    return {
        **{name: getattr(of, name) for name in ("p", "p_equivalent", "margin", "verdict", "seeds_needed")},
        **{f"difference_{name}": getattr(of, name) for name in ("n", "mean", "low", "high")},
        "near_the_line": int(of.near),
    }


def sheet(made: PruneVsScratch) -> TableSheet:
    extra = made.varying
    partial = any(abs(entry.density - entry.density_all) > SAME_DENSITY for entry in made.entries)
    qualities = any(entry.budget.startswith("quality") for entry in made.entries)
    header = ["Data", "Network", *(name.replace("_", " ") for name in extra)]
    header += ["Budget"] * qualities + ["Density"] + ["of all weights"] * partial
    header += [UNPRUNED, *(column for column, _ in made.columns), "n", f"Against {made.reference}"]
    lines: list[tuple[Cell, ...]] = []
    for entry in made.entries:
        named = dict(entry.conditions)
        start = [display_name("data", entry.data), display_name("model", entry.model)]
        start += [cell(name, named.get(name, ABSENT)) for name in extra]
        start += [entry.budget] * qualities + [f"{entry.density:.3g}"] + [f"{entry.density_all:.3g}"] * partial
        cells = {UNPRUNED: entry.unpruned, **dict(entry.scores)}
        lines.append((*map(Cell, start), *_cells(cells, entry.best, made.columns), Cell(beside.said(entry.against))))
        if entry.paper:
            blank = ["", "Liu et al. 2019", *[""] * (len(start) - 2)]
            first = {_MODES[mode]: column for column, mode in reversed(made.columns)}
            printed = {first.get(column, column): value for column, value in entry.paper}
            lines.append((*map(Cell, blank), *_cells(printed, (), made.columns), Cell("")))
    numbers = len(made.columns) + 3 + partial
    align = "l" * (len(header) - 1 - numbers) + "r" * numbers + "l"
    return TableSheet(
        "Pruned and fine-tuned, against trained from scratch (after Liu et al. 2019, Table 6): "
        + scoring.with_unit(made.metric, f"{made.metric.title} on {made.split}"),
        tuple(header),
        align,
        tuple(lines),
        _notes(made, partial),
    )


def _cells(values: Mapping[str, Spread], best: Iterable[str], columns: Iterable[tuple[str, str]]) -> list[Cell]:
    most = max(value.n for value in values.values())
    cells = []
    for column in (UNPRUNED, *(name for name, _ in columns)):
        value = values.get(column)
        fewer = f" (n = {value.n})" if value is not None and value.n < most else ""
        cells.append(Cell(spread_text(value) + fewer, column in best))
    return [*cells, Cell(str(most))]


def _notes(made: PruneVsScratch, partial: bool) -> tuple[str, ...]:
    of = "the weights that the criterion may prune" if partial else "the weights"
    note = (
        f"Density: kept share of {of}. Mean ± sample standard deviation over n seeds; bold: better than every other "
        f"column of its row; {MISSING}: not logged. Scratch-E trains for the epochs of the dense network, Scratch-B "
        "for its compute; Rewound trains again from the initial weights, or from those of the epoch that is named."
    )
    same = dict(made.entries[0].conditions)
    common = ", ".join(f"{name} {same[name]}" for name in _METHOD if name not in made.varying)
    left_out = f"Not shown: {made.left_out} points of curves in one mode alone." if made.left_out else ""
    notes = note, _on_verdicts(made), f"All rows: {common}." if common else "", left_out, made.test_set
    return tuple(filter(None, notes))


def _on_verdicts(made: PruneVsScratch) -> str:
    judged = [of for entry in made.entries for _, of in entry.against if of.verdict != "no verdict"]
    if not judged:
        return "There is no verdict on fewer than three seeds that two columns share."
    margins = " or ".join(scoring.amount(made.metric, margin) for margin in sorted({of.margin for of in judged}))
    return (
        f"Better, worse: paired by seed, t test, 5 %, Holm over the verdicts of this table, {len(judged)} in all. "
        f"Equivalent: surely within ±{margins}. In parentheses: so many seeds in all would "
        f"probably settle it. {inference.NEAR_NOTE}"
    )
