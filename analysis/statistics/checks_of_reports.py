"""Checks of what is recorded of each network: costs, scores, budgets, seeds, and what they were made with.

Knows the columns of points, and no table. Each check is a function of the points alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.names import counted, display_subject, extent
from analysis.records import frames
from analysis.statistics import scoring, selection
from analysis.statistics.checklist import Check, Finding, curves, failing, listed, subjects
from analysis.statistics.curves import budget_text
from pruneexp.schema import MEASURES, TOP5, Metric

#: Networks on these say little of others, by name: MNIST and toys do not count (Blalock et al. 2020).
SMALL_DATA = ("mnist", "mnist5k", "fashion_mnist", "synthetic", "topics")
PAIRS, BUDGETS, SEEDS = 3, 5, 3
#: A loss of so many points, or per cent for what is in none, is a substantial one.
SUBSTANTIAL = 5.0
AGAIN = "give their commands again"
_HYPERPARAMETERS = ("train_lr", "batch_size", "optimizer", "train_schedule", "augment", "retrain_schedule")
_MADE_BY = ("made_by.packages", "made_by.machine", "made_by.criterion")


def identified(points: pd.DataFrame) -> Finding:
    bare = points[(points["data_fingerprint"] == "") | (points["dense_settings"] == "")]
    if not bare.empty:
        return failing(f"{counted(len(bare), 'point')} of an earlier version say less of their settings", bare, AGAIN)
    metrics = [metric.name for metric in frames.primaries(points)]
    return Finding("holds", f"{listed([name for name, _ in subjects(points)])}, by {listed(metrics)}")


def pairs(points: pd.DataFrame) -> Finding:
    found = selection.combinations(points, ("model", "data"))
    small = [display_subject(**pair) for pair in found if pair["data"] in SMALL_DATA]
    told = f"small, not counted: {listed(small)}" if small else ""
    if len(found) - len(small) >= PAIRS:
        return Finding("holds", "; ".join(filter(None, (counted(len(found) - len(small), "pair"), told))))
    large = f"only {counted(len(found) - len(small), 'pair')}" if len(found) > len(small) else ""
    return failing("; ".join(filter(None, (large, told))), points, "data=cifar10 model=resnet56,...")


def costs(points: pd.DataFrame) -> Finding:
    rates = points[["compression", "speedup"]]
    lacking = points[~(rates.notna().all(axis=1) & (points["flop_dense"] > 0.0))]
    if not lacking.empty:
        return failing(f"{counted(len(lacking), 'point')} without one of them", lacking, AGAIN)
    compression, speedup = (f"{rates[name].max():.3g}×" for name in rates)
    return Finding("holds", f"compression up to {compression}, speed-up up to {speedup}")


def top5(points: pd.DataFrame) -> Finding:
    images = points[points["task"].isna()]
    if images.empty:
        return Finding("not applicable", "nothing is classified")
    has = images[f"test.after.{TOP5.name}"].notna()
    some = images[has.groupby([images[name] for name in frames.SUBJECT]).transform("any")]
    if some.empty:
        return Finding("not applicable", "no more than five classes")
    lacking = some[~has.reindex(some.index)]
    if not lacking.empty:
        return failing(f"{counted(len(lacking), 'point')} without top-5", lacking, AGAIN)
    return Finding("holds", f"both of {listed([name for name, _ in subjects(some)])}")


def control(points: pd.DataFrame) -> Finding:
    lacking = [
        rows[rows[[f"test.{when}.{metric.name}" for when in ("dense", "after")]].isna().any(axis=1)]
        for metric, rows in _judged(points)
    ]
    bare = pd.concat(lacking)
    if not bare.empty:
        return failing(f"{counted(len(bare), 'point')} without one of the two test scores", bare, AGAIN)
    dense = listed([_dense(rows, f"test.dense.{metric.name}") for metric, all_of in _judged(points)
                    for _, rows in subjects(all_of)])  # fmt: skip
    return Finding("holds", f"raw test scores of both; unpruned: {dense}")


def budgets(points: pd.DataFrame) -> Finding:
    found = curves(points)
    counts = [len(rows[list(frames.BUDGET)].drop_duplicates()) for _, rows in found]
    short = [curve for curve, count in zip(found, counts, strict=True) if count < BUDGETS]
    if not short:
        return Finding("holds", f"{extent(counts)} on each of {counted(len(found), 'curve')}")
    named = listed([name for name, _ in short])
    return failing(f"fewer on {len(short)} of {counted(len(found), 'curve')}: {named}",
                   pd.concat([rows for _, rows in short]), _mended(short))  # fmt: skip


def _mended(short: Sequence[tuple[str, pd.DataFrame]]) -> str:
    """Five densities, where curves are of densities; else more of what they are of."""
    kinds = {str(kind) for _, rows in short for kind in rows["budget.kind"]}
    if kinds <= {"density"}:
        return "curve.densities=[0.5,0.25,0.12,0.06,0.03]"
    return "more " + listed([f"curve.{measure.plural}" for kind, measure in MEASURES.items() if kind in kinds])


def collapse(points: pd.DataFrame) -> Finding:
    found = [(name, rows, metric) for metric, judged in _judged(points) for name, rows in curves(judged)]
    flat: list[str] = []
    sparse: list[pd.DataFrame] = []
    for name, rows, metric in found:
        last = _sparsest(rows)
        change = _mean(last, f"test.change_after.{metric.name}")
        if not scoring.gain(metric, change) <= -SUBSTANTIAL:
            at = budget_text(*last[list(frames.BUDGET)].iloc[0])
            flat.append(f"{name}: {scoring.signed(change)} at {at}")
            sparse.append(last)
    if not flat:
        return Finding("holds", f"a loss of {SUBSTANTIAL:g} or more at the end of {counted(len(found), 'curve')}")
    evidence = f"less than {SUBSTANTIAL:g} is lost on {len(flat)} of {counted(len(found), 'curve')}: {listed(flat)}"
    return failing(evidence, pd.concat(sparse), "sparser budgets")


def _sparsest(rows: pd.DataFrame) -> pd.DataFrame:
    """The points of the budget that keeps the fewest weights, the mean over the seeds."""
    _, last = min(selection.groups(rows, frames.BUDGET), key=lambda found: float(found[1]["density"].mean()))
    return last


def seeds(points: pd.DataFrame) -> Finding:
    marks = [rows for _, curve in curves(points) for _, rows in selection.groups(curve, frames.BUDGET)]
    counts = [rows["seed"].nunique() for rows in marks]
    few = [rows for rows, count in zip(marks, counts, strict=True) if count < SEEDS]
    if few:
        evidence = f"{extent(counts)} a mark, fewer than {SEEDS} at {len(few)} of {counted(len(marks), 'mark')}"
        return failing(evidence, pd.concat(few), "seed=0,1,2,3,4")
    shared = [rows for rows in marks if rows["dense_key"].nunique() < rows["seed"].nunique()]
    if shared:
        return failing("seeds prune the same dense network, so that the spread is of retraining alone",
                       pd.concat(shared), "train.epochs above 0")  # fmt: skip
    short = "; Liu et al. 2019 have five" if min(counts) < 5 else ""
    return Finding("holds", f"{extent(counts)} a mark, each with a dense network of its own{short}")


def recorded(points: pd.DataFrame) -> Finding:
    bare = points[points[list(_HYPERPARAMETERS)].isna().any(axis=1)]
    if not bare.empty:
        return failing(f"{counted(len(bare), 'point')} lack one of {', '.join(_HYPERPARAMETERS)}", bare, AGAIN)
    if not set(_MADE_BY) <= set(points) or (unknown := points[list(_MADE_BY)].isna().any(axis=1)).all():
        return Finding("not recorded", "the runs of these curves carry no configuration and environment")
    if unknown.any():
        bare = points[unknown]
        return failing(f"{counted(len(bare), 'point')} of runs without configuration or machine", bare, AGAIN)
    return Finding("holds", f"hyper-parameters, versions; on {listed(sorted(set(points['made_by.machine'])))}")


def chosen_on_val(points: pd.DataFrame) -> Finding:
    bare = pd.concat([rows[rows[f"val.after.{metric.name}"].isna()] for metric, rows in _judged(points)])
    if not bare.empty:
        return failing(f"{counted(len(bare), 'point')} without a val score", bare, AGAIN)
    return Finding("holds", "by construction: masks, epochs and choices see train and val, test is only scored")


def origin(points: pd.DataFrame) -> Finding:
    files = sorted(set(points["started_from"].dropna()))
    started = f"; some started from {listed(files)}" if files else ""
    if "made_by.packages" not in points or points["made_by.packages"].isna().any():
        return Finding("not recorded", f"some runs do not say by what code they were made{started}")
    versions = counted(points["made_by.packages"].nunique(), "set")
    return Finding("holds", f"all trained here, by {versions} of versions; papers' numbers have their source{started}")


def argument(points: pd.DataFrame) -> Finding:
    return Finding("not recorded", "older and best known results, the extent of claims, a link to the code")


def _judged(points: pd.DataFrame) -> list[tuple[Metric, pd.DataFrame]]:
    """The points by the metric that they are judged by."""
    return [(metric, points[frames.judged_by(points, metric)]) for metric in frames.primaries(points)]


def _dense(rows: pd.DataFrame, column: str) -> str:
    """The mean score of the dense networks, from the lowest to the highest where they were trained in several ways."""
    means = rows.groupby(["reg", "dense_settings"], dropna=False)[column].mean()
    low, high = f"{means.min():.2f}", f"{means.max():.2f}"
    return low if low == high else f"{low} to {high}"


def _mean(rows: pd.DataFrame, column: str) -> float:
    return float(rows[column].mean())


_BLALOCK, _OURS = "Blalock et al. 2020", "pruneexp"
CHECKS = (
    Check("identified", "Data, network and metric are told exactly", _BLALOCK, identified),
    Check("pairs", f"At least {PAIRS} pairs of data and network that are not small", _BLALOCK, pairs),
    Check("costs", "Compression and theoretical speed-up, both", _BLALOCK, costs),
    Check("top5", "Top-1 and top-5 where classes are many", _BLALOCK, top5),
    Check("control", "Raw scores of the unpruned network, too", _BLALOCK, control),
    Check("budgets", f"At least {BUDGETS} budgets on a curve", _BLALOCK, budgets),
    Check("collapse", "Curves reach a substantial loss", _BLALOCK, collapse),
    Check("seeds", f"At least {SEEDS} seeds, with their spread", _BLALOCK, seeds),
    Check("recorded", "All hyper-parameters, versions and hardware", _BLALOCK, recorded),
    Check("val", "Nothing is chosen on test", _OURS, chosen_on_val),
    Check("origin", "It is said how each number was obtained", _BLALOCK, origin),
    Check("argument", "Context, and the extent of claims", _BLALOCK, argument),
)
