"""How many weights each way of allocating keeps at an equal score on val after retraining."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text
from analysis.records import frames
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import ABSENT, cell, joined, telling, texts
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread

MADE_OF = "points and trials"

STUDY = "Study"
#: Ways of allocating that need no search, by the criterion of their curves.
CURVES = {"layer_magnitude": "Uniform density", "global_magnitude": "One threshold", "layer_std": "One common q"}
METHODS = (*CURVES.values(), STUDY)
#: What the points that are compared have in common: everything but how the weights were allocated.
SAME = tuple(name for name in frames.CONDITIONS if name not in ("criterion", "prune_settings", "study"))
_SLACK = 1e-9  # of a change: differences of floats are not exact


class MethodResult(NamedTuple):
    """One way of allocating: of each seed the sparsest point that reaches the seed's target, where one does.

    ``density`` is the kept share of all prunable weights, in percent; ``ratio`` the geometric mean over ``pairs`` seeds
    of the study's density to this one, and ``fewer`` counts the seeds for which the study keeps fewer weights.
    ``points`` are the fewest and the most that a seed could choose from.
    """

    method: str
    seeds: int
    points: tuple[int, int]
    density: Spread | None
    val_change: Spread | None
    test: Spread | None
    ratio: float | None
    fewer: int
    pairs: int
    runs: tuple[str, ...]


class AllocationSet(NamedTuple):
    """One network on one data set, under one set of conditions; ``dense`` is its score on test.

    ``criteria`` are the hashes of the settings of each criterion that has several, by method.
    """

    data: str
    model: str
    conditions: tuple[tuple[str, str], ...]
    criteria: tuple[tuple[str, str], ...]
    dense: Spread | None
    kept: tuple[MethodResult, ...]


class Allocations(NamedTuple):
    """The table, by the primary metric. ``considered`` are the runs that were chosen from."""

    metric: Metric
    drop: float
    varying: tuple[str, ...]
    entries: tuple[AllocationSet, ...]
    considered: tuple[str, ...]


class AllocationRow(NamedTuple):
    """One way of allocating; densities in percent, scores by ``metric``, run ids (of the chosen points) by spaces."""

    data: str
    model: str
    metric: str
    conditions: str
    method: str
    drop: float
    seeds: int
    reached: int
    points_fewest: int
    points_most: int
    density_mean: float | None
    density_std: float | None
    compression: float | None
    val_change_mean: float | None
    test_mean: float | None
    test_std: float | None
    study_ratio: float | None
    study_fewer: int
    pairs: int
    runs: str


def data(
    frame: pd.DataFrame,
    *,
    drop: Annotated[float, "points, or %, that pruning may cost on val, of the dense network of the seed"] = 0.5,
) -> Allocations:
    """Every network that a study and at least one curve pruned at once and retrained, all else being equal.

    Where a criterion was logged with several settings, each stands in an entry of its own.

    Raises:
        UserError: there is no such study, no curve to compare it with, or ``drop`` is negative.
    """
    if not drop >= 0.0:
        raise UserError(f"--drop must be 0 or more; got {drop:g}.")
    metric = scoring.primary(frame)
    points = _points(frame, metric)
    if not (points["method"] == STUDY).any():
        raise UserError(
            "no study's points, retrained, are logged: `python -m sweeps study=layer_thresholds` makes them."
        )
    found = [
        (key, rows)
        for key, rows in selection.groups(points, (*frames.SUBJECT, *SAME))
        if {STUDY} < set(rows["method"])
    ]  # fmt: skip
    if not found:
        raise UserError(f"no curve of {', '.join(CURVES)} is logged under the conditions of a study's points.")
    entries = [_entry(key, criteria, rows, drop) for key, every in found for criteria, rows in _settings(every)]
    considered = tuple(sorted({run for _, rows in found for run in rows["run_id"]}))
    return Allocations(metric, float(drop), _varying([key for key, _ in found]), tuple(entries), considered)


def _points(frame: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """The points that may be compared, with their ``method``; the better on val, the larger ``gain`` and ``merit``.

    Numbered trials have a level of their own for each layer. What a search for a budget asked for has none: it is a
    point like those of curves.
    """
    points = frame[(frame["mode"] == "prune") & (frame["schedule"] == "one_shot") & (frame["retrain_epochs"] > 0)]
    method = points["criterion"].map(CURVES).mask(points["trial"] >= 0, STUDY)
    names = {f"{name}.{metric.name}": name for name in ("val.change_after", "val.after", "test.dense", "test.after")}
    points = points.assign(method=method).rename(columns=names).dropna(subset=["method", "val.change_after"])
    gain, merit = (scoring.gain(metric, points[name]) for name in ("val.change_after", "val.after"))
    return points.assign(gain=gain, merit=merit)


def _settings(rows: pd.DataFrame) -> Iterator[tuple[tuple[tuple[str, str], ...], pd.DataFrame]]:
    """Each choice of one setting for every criterion, with its points and those of the study.

    Each trial of a study has settings of its own; a method without a search has one.
    """
    curves = rows[rows["method"] != STUDY]
    logged = {method: sorted(set(of["prune_settings"])) for method, of in curves.groupby("method")}
    for chosen in itertools.product(*logged.values()):
        setting = dict(zip(logged, chosen, strict=True))
        several = tuple((method, setting[method]) for method in CURVES.values() if len(logged.get(method, ())) > 1)
        yield several, rows[(rows["method"] == STUDY) | (rows["prune_settings"] == rows["method"].map(setting))]


def _varying(keys: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What tells the entries of one network and data set apart."""
    alike: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for key in keys:
        alike.setdefault(tuple(key[name] for name in frames.SUBJECT), []).append(key)
    needed = {name for same in alike.values() for name in telling(same, SAME)}
    return tuple(name for name in SAME if name in needed)


def _entry(
    key: Mapping[str, Any], criteria: tuple[tuple[str, str], ...], rows: pd.DataFrame, drop: float
) -> AllocationSet:
    best = {method: _sparsest(rows[rows["method"] == method], drop) for method in METHODS}
    dense = rows.dropna(subset=["test.dense"]).drop_duplicates("seed")
    return AllocationSet(
        data=str(key["data"]),
        model=str(key["model"]),
        conditions=texts(key, SAME),
        criteria=criteria,
        dense=_spread(dense["test.dense"]),
        kept=tuple(_kept(rows, method, chosen, best[STUDY]) for method, chosen in best.items()),
    )


def _sparsest(points: pd.DataFrame, drop: float) -> pd.DataFrame:
    """By seed the point of the smallest density that reaches the target; of equally small ones the best."""
    reaching = points[points["gain"] >= -drop - _SLACK]
    order = {"density": True, "merit": False, "run_id": True}
    ordered = reaching.sort_values(list(order), ascending=list(order.values()))
    return ordered.drop_duplicates("seed").set_index("seed", drop=False).sort_index()


def _kept(rows: pd.DataFrame, method: str, chosen: pd.DataFrame, study: pd.DataFrame) -> MethodResult:
    tried = rows[rows["method"] == method].groupby("seed").size()
    both = [] if method == STUDY else [seed for seed in chosen.index if seed in study.index]
    ratios = [float(study["density"][seed] / chosen["density"][seed]) for seed in both]
    return MethodResult(
        method=method,
        seeds=len(tried),
        points=(int(tried.min()), int(tried.max())) if len(tried) else (0, 0),
        density=_spread(100.0 * chosen["density"]),
        val_change=_spread(chosen["val.change_after"]),
        test=_spread(chosen["test.after"].dropna()),
        ratio=math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None,
        fewer=sum(ratio < 1.0 for ratio in ratios),
        pairs=len(ratios),
        runs=tuple(sorted(chosen["run_id"])),
    )


def _spread(values: pd.Series) -> Spread | None:
    return spread(values) if len(values) else None


def runs(made: Allocations) -> tuple[str, ...]:
    return made.considered


def rows(made: Allocations) -> Iterable[AllocationRow]:
    for entry in made.entries:
        conditions = joined((*entry.conditions, *((f"{method}, settings", value) for method, value in entry.criteria)))
        for kept in entry.kept:
            density, test = kept.density, kept.test
            yield AllocationRow(
                data=entry.data,
                model=entry.model,
                metric=made.metric.name,
                conditions=conditions,
                method=kept.method,
                drop=made.drop,
                seeds=kept.seeds,
                reached=density.n if density else 0,
                points_fewest=kept.points[0],
                points_most=kept.points[1],
                density_mean=density.mean if density else None,
                density_std=density.std if density else None,
                compression=100.0 / density.mean if density else None,
                val_change_mean=kept.val_change.mean if kept.val_change else None,
                test_mean=test.mean if test else None,
                test_std=test.std if test else None,
                study_ratio=kept.ratio,
                study_fewer=kept.fewer,
                pairs=kept.pairs,
                runs=" ".join(kept.runs),
            )


def sheet(made: Allocations) -> TableSheet:
    several = any(entry.criteria for entry in made.entries)
    columns = (*(name.replace("_", " ") for name in made.varying), *["Settings of criteria"] * several)
    header = ["Data", "Network", *columns, "", "Dense", *METHODS]
    lines = [tuple(map(Cell, line)) for entry in made.entries for line in _lines(made, entry, several)]
    align = "l" * (len(header) - 1 - len(METHODS)) + "r" * (1 + len(METHODS))
    bound = scoring.bound(made.metric, made.drop)
    title = f"Weights kept at a val {made.metric.word} {bound} the dense network's, after retraining"
    return TableSheet(title, tuple(header), align, tuple(lines), tuple(dict.fromkeys(_notes(made))))


def _lines(made: Allocations, entry: AllocationSet, several: bool) -> Iterable[tuple[str, ...]]:
    named = dict(entry.conditions)
    criteria = ", ".join(f"{method}: {value}" for method, value in entry.criteria)
    told = (cell(name, named.get(name, ABSENT)) for name in made.varying)
    start = entry.data, entry.model, *told, *[criteria] * several
    blank = [""] * len(start)
    kept = entry.kept
    yield *start, "weights kept, %", "100", *map(_share, kept)
    yield *blank, "compression", "1×", *(f"{100 / one.density.mean:.1f}×" if one.density else MISSING for one in kept)
    tested = scoring.with_unit(made.metric, f"test {made.metric.word}")
    yield *blank, tested, spread_text(entry.dense), *(spread_text(one.test) for one in kept)
    yield *blank, "study / this, weights", "", *map(_ratio, kept)
    yield *blank, "points per seed", "", *("–".join(map(str, sorted(set(one.points)))) for one in kept)


def _share(kept: MethodResult) -> str:
    some = f" ({kept.density.n} of {kept.seeds} seeds)" if kept.density and kept.density.n < kept.seeds else ""
    return spread_text(kept.density) + some


def _ratio(kept: MethodResult) -> str:
    if kept.method == STUDY:
        return ""
    return MISSING if kept.ratio is None else f"{kept.ratio:.2f} (fewer in {kept.fewer} of {kept.pairs})"


def _notes(made: Allocations) -> Iterable[str]:
    word = made.metric.word
    yield (
        "Of each seed, the smallest share of all prunable weights among the recorded points, pruned at once and "
        f"retrained, whose val {word} is {scoring.bound(made.metric, made.drop)} that of the seed's dense network; "
        "nothing is interpolated. Mean ± sample standard deviation over seeds. Study / this: geometric mean over the "
        "seeds that have both."
    )
    why = "which flatters a method the more, the more points it had to choose from"
    yield f"Both the choice and the target are on val, {why}; test {word} is that of the chosen points."
    for entry in made.entries:
        for kept in entry.kept:
            reached = kept.density.n if kept.density else 0
            if not kept.seeds:
                yield f"{entry.model} on {entry.data}: {kept.method} is not logged."
            elif reached < kept.seeds:
                lacking = f"at no recorded point for {kept.seeds - reached} of {kept.seeds} seeds"
                yield f"{entry.model} on {entry.data}: {kept.method} reaches the target {lacking}."
