"""Inherited weights against fresh ones at the same sparsity, as in Liu et al. 2019, Table 6."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.paper import paper_numbers
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import ABSENT, cell, hashed, joined, telling, texts, words
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError
from pruneexp.schema import OF_A_MODE, TOP1, Metric
from pruneexp.summary.spread import Spread, spread

COLUMNS = {"prune": "Fine-tuned", "scratch_e": "Scratch-E", "scratch_b": "Scratch-B", "rewind": "Rewound"}
UNPRUNED = "Unpruned"
#: Networks and data sets of the paper by the names they would have here; its VGG-16 on ImageNet has batch norm.
PAPER_MODELS = {
    "vgg19": "VGG-19",
    "preresnet110": "PreResNet-110",
    "densenet_bc_100": "DenseNet-BC-100",
    "vgg16_bn": "VGG-16",
    "resnet50": "ResNet-50",
}
PAPER_DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet"}
_METHOD = ("reg", "criterion", "schedule")  # told for every table, as columns or below it
#: What the modes of one row have in common; each mode's own switches are not.
SHARED = tuple(name for name in frames.CONDITIONS if name not in OF_A_MODE)
#: In the order that columns are sorted by: what a reader sees first, the hash last.
SWITCHES = tuple(sorted((name for name in frames.CONDITIONS if name in OF_A_MODE), key=hashed))
SAME_DENSITY = 0.005  # a paper's row stands under ours where the densities differ by no more


class DensityRow(NamedTuple):
    """One row: scores by column; ``best`` are the columns of the best mean as printed."""

    data: str
    model: str
    budget: str
    density: float  # of the weights that the criterion may touch, mean over what was logged
    density_all: float  # of all prunable weights
    conditions: tuple[tuple[str, str], ...]
    unpruned: Spread
    scores: tuple[tuple[str, Spread], ...]
    best: tuple[str, ...]
    paper: tuple[tuple[str, Spread], ...]
    runs: tuple[str, ...]


class PruneVsScratch(NamedTuple):
    """The table; ``varying`` names the conditions that tell its rows apart.

    ``columns`` are those of the pruned networks with their mode: several of a mode whose switches differ.
    ``left_out`` counts the points of curves that nothing can be compared with: logged in one mode alone.
    """

    split: Split
    metric: Metric
    columns: tuple[tuple[str, str], ...]
    varying: tuple[str, ...]
    entries: tuple[DensityRow, ...]
    left_out: int


class ModeRow(NamedTuple):
    """One cell of the table; run ids (of the whole table row) separated by spaces."""

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
    runs: str


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
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
    needed = [*setting, *frames.BUDGET, *OF_A_MODE, "dense_key", "density", "density_scope", "run_id", *scores]
    everything = frame[frame["mode"].isin(list(COLUMNS))]
    points = everything[needed].rename(columns=scores).dropna(subset=["after"])
    if points.empty:
        raise UserError(f"no point with a {chosen.title} is logged in the modes {', '.join(COLUMNS)}.")
    modes = points.groupby([*setting, *frames.BUDGET], dropna=False)["mode"].transform("nunique")
    compared = points[modes.groupby([points[name] for name in setting], dropna=False).transform("max") > 1]
    if compared.empty:
        alone = ", ".join(f"mode={mode}" for mode in COLUMNS if mode in set(points["mode"]))
        raise UserError(f"no budget is logged in two modes under the same conditions (there is {alone}).")
    compared, columns = _with_columns(compared)
    found = list(selection.groups(compared, (*setting, *frames.BUDGET)))
    entries = [_entry(key, rows, columns, chosen) for key, rows in found]
    order = sorted(entries, key=lambda entry: (entry.data, entry.model, entry.conditions, -entry.density, entry.budget))
    return PruneVsScratch(
        split, chosen, columns, _varying([key for key, _ in found]), tuple(order), len(everything) - len(compared)
    )


def _with_columns(points: pd.DataFrame) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    """The points with the ``column`` that each belongs to, and every column with its mode."""
    names = pd.Series("", index=points.index)
    columns: list[tuple[str, str]] = []
    for mode, name in COLUMNS.items():
        found = list(selection.groups(points[points["mode"] == mode], SWITCHES))
        needed = telling([key for key, _ in found], SWITCHES) if found else ()
        for key, rows in found:
            columns.append((", ".join(filter(None, (name, words(key, needed)))), mode))
            names[rows.index] = columns[-1][0]
        if not found:
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
    most = max(spread.n for _, spread in named)  # a mean over fewer seeds may have had the lucky ones
    means = {name: scoring.gain(metric, round(spread.mean, 2)) for name, spread in named if spread.n == most}
    best = tuple(name for name, mean in means.items() if mean == max(means.values())) if len(means) > 1 else ()
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
        best=best,
        paper=_paper(str(key["data"]), str(key["model"]), density) if metric == TOP1 else (),
        runs=tuple(sorted(rows["run_id"])),
    )


def _paper(dataset: str, model: str, density: float) -> tuple[tuple[str, Spread], ...]:
    wanted = PAPER_MODELS.get(model), PAPER_DATA.get(dataset)
    printed = [number for number in paper_numbers("rethinking_table6_unstructured")
               if (number.model, number.dataset) == wanted]  # fmt: skip
    return tuple(
        # The paper gives mean and standard deviation of 5 runs on CIFAR and one run on ImageNet, no extremes.
        (number.method, Spread(number.value, number.std, number.value, number.value, 1 if number.std is None else 5))
        for number in printed
        if (number.x is not None and abs(1.0 - number.x / 100.0 - density) <= SAME_DENSITY) or number.method == UNPRUNED
    )


def runs(made: PruneVsScratch) -> tuple[str, ...]:
    return tuple(sorted(run for entry in made.entries for run in entry.runs))


def rows(made: PruneVsScratch) -> Iterable[ModeRow]:
    for entry in made.entries:
        conditions = joined(entry.conditions)
        where = entry.data, entry.model, made.metric.name, entry.budget, entry.density
        for column, value in ((UNPRUNED, entry.unpruned), *entry.scores):
            numbers = value.mean, value.std, value.n, int(column in entry.best)
            yield ModeRow("runs", *where, entry.density_all, conditions, column, *numbers, " ".join(entry.runs))
        for column, value in _printed(entry):
            yield ModeRow("Liu et al. 2019, Table 6", *where, None, "", column, value.mean, value.std, value.n, 0, "")


def _printed(entry: DensityRow) -> tuple[tuple[str, Spread], ...]:
    """The paper's cells, where it has more than the dense network at this density."""
    return entry.paper if len(entry.paper) > 1 else ()


def sheet(made: PruneVsScratch) -> TableSheet:
    extra = made.varying
    partial = any(abs(entry.density - entry.density_all) > SAME_DENSITY for entry in made.entries)
    qualities = any(entry.budget.startswith("quality") for entry in made.entries)
    header = ["Data", "Network", *(name.replace("_", " ") for name in extra)]
    header += ["Budget"] * qualities + ["Density"] + ["of all weights"] * partial
    header += [UNPRUNED, *(column for column, _ in made.columns), "n"]
    lines: list[tuple[Cell, ...]] = []
    for entry in made.entries:
        named = dict(entry.conditions)
        start = [entry.data, entry.model, *(cell(name, named.get(name, ABSENT)) for name in extra)]
        start += [entry.budget] * qualities + [f"{entry.density:.3g}"] + [f"{entry.density_all:.3g}"] * partial
        cells = {UNPRUNED: entry.unpruned, **dict(entry.scores)}
        lines.append((*map(Cell, start), *_cells(cells, entry.best, made.columns)))
        if _printed(entry):
            blank = ["", "Liu et al. 2019", *[""] * (len(start) - 2)]
            first = {COLUMNS[mode]: column for column, mode in reversed(made.columns)}
            printed = {first.get(column, column): value for column, value in entry.paper}
            lines.append((*map(Cell, blank), *_cells(printed, (), made.columns)))
    numbers = len(made.columns) + 2
    align = "l" * (len(header) - numbers - 1 - partial) + "r" * (numbers + 1 + partial)
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
    best = "highest" if made.metric.direction == "maximize" else "lowest"
    note = (
        f"Density: kept share of {of}. Mean ± sample standard deviation over n seeds; bold: the {best} mean of the "
        f"row among the pruned networks of most seeds; {MISSING}: not logged. Scratch-E trains for the epochs of the "
        "dense network, Scratch-B for its compute; Rewound retrains from the initial weights."
    )
    same = dict(made.entries[0].conditions)
    common = ", ".join(f"{name} {same[name]}" for name in _METHOD if name not in made.varying)
    notes = [note, f"All rows: {common}."] if common else [note]
    if made.left_out:
        notes.append(f"Not shown: {made.left_out} points of curves in one mode alone.")
    return tuple(notes)
