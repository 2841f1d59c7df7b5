"""How many weights each way of allocating keeps at an equal score on val after retraining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text, table_sheet
from analysis.records import frames
from analysis.statistics import scoring, selection, sparsest, test_sets
from analysis.statistics.conditions import cells, headings, joined, telling_within
from analysis.statistics.inference import NEAR_NOTE, Verdict
from analysis.statistics.sparsest import AS_MANY, BY_CURVES, CURVES, SAME, STUDY, AllocationSet, MethodResult
from pruneexp.errors import UserError
from pruneexp.schema import Metric

MADE_OF = "points and trials"

_VERDICTS: Mapping[Verdict, str] = {"better": "study keeps more", "worse": "study keeps fewer", "equivalent": "as many"}


class Allocations(NamedTuple):
    """The table, by the primary metric. ``considered`` are the runs that were chosen from."""

    metric: Metric
    drop: float
    varying: tuple[str, ...]
    entries: tuple[AllocationSet, ...]
    considered: tuple[str, ...]
    test_set: str


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
    points = sparsest.comparable(frame, metric)
    if not (points["method"] == STUDY).any():
        raise UserError(
            "no study's points, retrained, are logged (of searches over channels none counts): "
            "`python -m sweeps study=layer_thresholds` makes them."
        )
    found = [
        (key, rows)
        for key, rows in selection.groups(points, (*frames.SUBJECT, *SAME))
        if {STUDY} < set(rows["method"]) - {BY_CURVES}
    ]  # fmt: skip
    if not found:
        raise UserError(f"no curve of {', '.join(CURVES)} is logged under the conditions of a study's points.")
    shown = sparsest.methods(pd.concat([rows for _, rows in found]))
    entries = [
        sparsest.entry(key, criteria, rows, drop, shown)
        for key, every in found
        for criteria, rows in sparsest.settings(every)
    ]
    runs = tuple(sorted({run for _, rows in found for run in rows["run_id"]}))
    told = test_sets.note(frame[frame["run_id"].isin(runs)], metric, "test")
    varying = telling_within([key for key, _ in found], SAME, frames.SUBJECT)
    return Allocations(metric, float(drop), varying, sparsest.judged(entries), runs, told)


def runs(made: Allocations) -> tuple[str, ...]:
    return made.considered


def rows(made: Allocations) -> Iterator[CsvRow]:
    """One way of allocating; densities in percent, scores by ``metric``, runs of the chosen points.

    ``verdict`` is that on this way against the study; ``study_ratio`` is the study's share of weights over this one.
    """
    for entry in made.entries:
        conditions = joined((*entry.conditions, *((f"{method}, settings", value) for method, value in entry.criteria)))
        for kept in entry.kept:
            density, study = kept.density, kept.study
            ratio, low, high = kept.ratio
            yield {
                "data": entry.data,
                "model": entry.model,
                "metric": made.metric.name,
                "conditions": conditions,
                "method": kept.method,
                "drop": made.drop,
                "seeds": kept.seeds,
                "reached": density.n if density else 0,
                "points_fewest": kept.points[0],
                "points_most": kept.points[1],
                **spread_columns("density", density),
                "compression": 100.0 / density.mean if density else None,
                "val_change_mean": kept.val_change.mean if kept.val_change else None,
                **spread_columns("test", kept.test),
                "study_ratio": ratio,
                "study_ratio_low": low,
                "study_ratio_high": high,
                "p": study.p if study else None,
                "pairs": study.n if study else 0,
                "verdict": study.verdict if study else "",
                "best": int(kept.best),
                "runs": " ".join(kept.runs),
            }


def sheet(made: Allocations) -> TableSheet:
    several = any(entry.criteria for entry in made.entries)
    subjects = dict.fromkeys(display_subject(entry.model, entry.data) for entry in made.entries)
    lead = (*["Network"] * (len(subjects) > 1), *headings(made.varying),
            *["Settings of criteria"] * several)  # fmt: skip
    methods = tuple(kept.method for kept in made.entries[0].kept)
    header = (*lead, "", "Dense", *methods)
    lines = (line for entry in made.entries for line in _lines(made, entry, len(subjects) > 1, several))
    bound = scoring.bound(made.metric, made.drop)
    title = f"Weights kept at a val {made.metric.word} {bound} the dense network's, after retraining: " + ", ".join(
        subjects
    )
    align = "l" * (len(lead) + 1) + "r" * (1 + len(methods))
    return table_sheet(title, header, align, lines, dict.fromkeys(_notes(made)))


def _lines(made: Allocations, entry: AllocationSet, named: bool, several: bool) -> Iterator[tuple[str | Cell, ...]]:
    criteria = ", ".join(f"{method}: {value}" for method, value in entry.criteria)
    told = cells(entry.conditions, made.varying)
    start = [*[display_subject(entry.model, entry.data)] * named, *told, *[criteria] * several]
    blank, kept = [""] * len(start), entry.kept
    shares = (Cell(_share(one), one.best) for one in kept)
    yield *start, "weights kept, %", "100", *shares
    rates = (f"{100 / one.density.mean:.1f}×" if one.density else MISSING for one in kept)
    yield *blank, "compression", "1×", *rates
    tested = scoring.with_unit(made.metric, f"test {made.metric.word}")
    yield *blank, tested, spread_text(entry.dense), *(spread_text(one.test) for one in kept)
    yield *blank, "study / this, weights", "", *map(_ratio, kept)
    yield *blank, "verdict", "", *(one.study.said(_VERDICTS) if one.study else "" for one in kept)
    yield *blank, "points per seed", "", *("–".join(map(str, sorted(set(one.points)))) for one in kept)


def _share(kept: MethodResult) -> str:
    some = f" ({kept.density.n} of {kept.seeds} seeds)" if kept.density and kept.density.n < kept.seeds else ""
    return spread_text(kept.density) + some


def _ratio(kept: MethodResult) -> str:
    mean, low, high = kept.ratio
    if mean is None:
        return "" if kept.method == STUDY else MISSING
    return f"{mean:.2f}" + ("" if low is None or high is None else f" [{low:.2f}, {high:.2f}]")


def _notes(made: Allocations) -> Iterator[str]:
    word = made.metric.word
    yield (
        "Of each seed, the smallest share of all prunable weights among the recorded points, pruned at once and "
        f"retrained, whose val {word} is {scoring.bound(made.metric, made.drop)} that of the seed's dense network; "
        "nothing is interpolated. Mean ± sample standard deviation over seeds."
    )
    yield (
        "Study / this: geometric mean over the seeds that have both, with its 95 % interval (t test of the logarithms, "
        f"5 %, Holm over the table); as many: surely within {100 * (AS_MANY - 1):.0f} %. Bold: surely fewer than every "
        f"other way. {NEAR_NOTE}"
    )
    why = "which flatters a method the more, the more points it had to choose from"
    yield f"Both the choice and the target are on val, {why}; test {word} is that of the chosen points."
    yield made.test_set
    for entry in made.entries:
        subject = display_subject(entry.model, entry.data)
        for kept in entry.kept:
            reached = len(kept.densities)
            if not kept.seeds:
                yield f"{subject}: {kept.method} is not logged."
            elif reached < kept.seeds:
                lacking = f"at no recorded point for {kept.seeds - reached} of {kept.seeds} seeds"
                yield f"{subject}: {kept.method} reaches the target {lacking}."
            if kept.study and kept.study.settled_by:
                settled = f"{kept.study.settled_by} seeds in all would probably settle it"
                yield f"{subject}, study against {kept.method}: {settled}."
