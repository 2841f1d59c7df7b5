"""How far each network can be pruned without loss, beside Han et al. 2015, Table 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.paper import PaperHeadline, headline_of
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text
from analysis.records import frames
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import joined, telling, texts, varying, words
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, Metric
from pruneexp.summary.spread import Spread, spread

#: What is never compared: networks of other sizes, and scores on other examples.
_APART = (*frames.SUBJECT, "data_fingerprint", "weights_total")
#: What a dense network depends on, beside its seed.
_DENSE = ("dense_settings", "reg", "reg_strength", "reg_settings", "precision")
#: Told of every chosen point.
_CHOICES = ("reg", "schedule", "criterion")
_SLACK = 1e-9  # of a change: means of floats are not exact


class Pruned(NamedTuple):
    """The chosen point: its conditions, scores on test over seeds, and how many weights are left.

    ``score`` is the top-1 error in percent, or of another metric its value; ``top5_error`` is that of ImageNet.

    ``differing`` tells it from the others of the same penalty, schedule and criterion that it was chosen from.
    """

    conditions: tuple[tuple[str, str], ...]
    differing: str
    score: Spread
    top5_error: Spread | None
    kept: float
    rate: float
    val_change: float
    runs: tuple[str, ...]


class HeadlineNetwork(NamedTuple):
    """One network on one data set. ``pruned`` is absent where no point is within epsilon; ``closest`` says how near.

    ``differing`` says what tells it from other networks, or other parts of the data set, of the same names.
    """

    data: str
    model: str
    differing: str
    score: Spread
    top5_error: Spread | None
    weights: int
    pruned: Pruned | None
    closest: tuple[float, float]  # (change of the metric on val, compression rate) of the best point of all
    paper: PaperHeadline | None


class Headline(NamedTuple):
    """The table, by the primary metric; ``epsilon`` is a loss on val, ``considered`` the runs that were chosen from."""

    metric: Metric
    epsilon: float
    networks: tuple[HeadlineNetwork, ...]
    considered: tuple[str, ...]


class HeadlineRow(NamedTuple):
    """One network; scores are those of ``metric``, errors in percent, run ids separated by spaces."""

    data: str
    model: str
    metric: str
    reference_mean: float
    reference_std: float | None
    pruned_mean: float | None
    pruned_std: float | None
    reference_top5_error_mean: float | None
    pruned_top5_error_mean: float | None
    n: int
    weights: int
    kept: float | None
    rate: float | None
    val_change: float | None
    conditions: str
    paper_data: str
    paper_reference_top1_error: float | None
    paper_pruned_top1_error: float | None
    paper_reference_top5_error: float | None
    paper_pruned_top5_error: float | None
    paper_weights: float | None
    paper_kept: float | None
    paper_rate: float | None
    runs: str


def data(
    frame: pd.DataFrame,
    *,
    epsilon: Annotated[float, "points, or %, that the pruned network may lose on val"] = 0.0,
) -> Headline:
    """Per network the largest compression that costs at most ``epsilon``, chosen on val, reported on test.

    The reference is the dense network with the best mean on val of any penalty, so that pruning a weak
    network does not count as free. One-shot and iterative points compete. A point counts only with as many seeds as
    the best covered one: a lucky single seed is no headline.

    Raises:
        UserError: there is no point of mode ``prune``, or ``epsilon`` is negative.
    """
    if not epsilon >= 0.0:
        raise UserError(f"--epsilon must be 0 or more; got {epsilon:g}.")
    metric = scoring.primary(frame)
    points = frame[frame["mode"] == "prune"]
    if points.empty:
        raise UserError("no point of mode prune is logged, and the headline is about pruned and retrained networks.")
    networks: list[HeadlineNetwork] = []
    for subject, every in selection.groups(points, frames.SUBJECT):
        found = list(selection.groups(every, _APART))
        needed = varying([key for key, _ in found], ("data_fingerprint", "weights_total"))
        networks += (_network(str(subject["data"]), str(subject["model"]), words(key, needed), rows, metric, epsilon)
                     for key, rows in found)  # fmt: skip
    return Headline(metric, float(epsilon), tuple(networks), tuple(sorted(points["run_id"])))


def _network(
    dataset: str, model: str, differing: str, points: pd.DataFrame, metric: Metric, epsilon: float
) -> HeadlineNetwork:
    dense = _reference(points, metric)
    base = spread(dense[f"val.dense.{metric.name}"]).mean
    found = list(selection.groups(points, (*frames.CONDITIONS, *frames.BUDGET)))
    most = max(len(rows) for _, rows in found)
    candidates = [(key, rows) for key, rows in found if len(rows) == most]
    ranked = [(_pruned(key, rows, base, metric), key) for key, rows in candidates]
    ranked.sort(
        key=lambda pair: (-pair[0].rate, -scoring.gain(metric, pair[0].val_change), pair[0].conditions, pair[0].runs)
    )
    free = [pair for pair in ranked if scoring.gain(metric, pair[0].val_change) >= -epsilon - _SLACK]
    best = max((made for made, _ in ranked), key=lambda made: scoring.gain(metric, made.val_change))
    return HeadlineNetwork(
        data=dataset,
        model=model,
        differing=differing,
        score=_score(dense, "test.dense", metric),
        top5_error=_top5_error(dense, "test.dense", metric),
        weights=int(points["weights_total"].iloc[0]),
        pruned=_told(*free[0], [key for key, _ in candidates]) if free else None,
        closest=(best.val_change, best.rate),
        paper=headline_of(model) if metric == TOP1 else None,
    )


def _reference(points: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """One row per seed of the dense network with the best mean on val, of those with the most seeds."""
    val = f"val.dense.{metric.name}"
    found = [rows.drop_duplicates("dense_key").sort_values("seed") for _, rows in selection.groups(points, _DENSE)]
    return max(found, key=lambda rows: (len(rows), scoring.gain(metric, spread(rows[val]).mean)))


def _told(pruned: Pruned, key: Mapping[str, Any], candidates: Iterable[Mapping[str, Any]]) -> Pruned:
    alike = [other for other in candidates if all(other[name] == key[name] for name in _CHOICES)]
    return pruned._replace(differing=words(key, telling(alike, frames.CONDITIONS)))


def _pruned(key: Mapping[str, Any], rows: pd.DataFrame, base: float, metric: Metric) -> Pruned:
    kept = spread(rows["weights_kept"]).mean
    return Pruned(
        conditions=texts(key, tuple(key)),
        differing="",
        score=_score(rows, "test.after", metric),
        top5_error=_top5_error(rows, "test.after", metric),
        kept=kept,
        rate=float(rows["weights_total"].iloc[0]) / max(1.0, kept),
        val_change=metric.change(base, spread(rows[f"val.after.{metric.name}"]).mean),
        runs=tuple(sorted(rows["run_id"])),
    )


def _score(rows: pd.DataFrame, moment: str, metric: Metric) -> Spread:
    values = rows[f"{moment}.{metric.name}"]
    return spread(100.0 - values if metric == TOP1 else values)


def _top5_error(rows: pd.DataFrame, moment: str, metric: Metric) -> Spread | None:
    shown = metric == TOP1 and set(rows["data"]) == {"imagenet"}
    return spread(100.0 - rows[f"{moment}.top5"]) if shown else None


def runs(made: Headline) -> tuple[str, ...]:
    return made.considered


def rows(made: Headline) -> Iterable[HeadlineRow]:
    for network in made.networks:
        pruned, paper = network.pruned, network.paper
        yield HeadlineRow(
            data=network.data,
            model=network.model,
            metric="top1_error" if made.metric == TOP1 else made.metric.name,
            reference_mean=network.score.mean,
            reference_std=network.score.std,
            pruned_mean=pruned.score.mean if pruned else None,
            pruned_std=pruned.score.std if pruned else None,
            reference_top5_error_mean=network.top5_error.mean if network.top5_error else None,
            pruned_top5_error_mean=pruned.top5_error.mean if pruned and pruned.top5_error else None,
            n=pruned.score.n if pruned else network.score.n,
            weights=network.weights,
            kept=pruned.kept if pruned else None,
            rate=pruned.rate if pruned else None,
            val_change=pruned.val_change if pruned else None,
            conditions=joined(pruned.conditions) if pruned else "",
            paper_data=paper.dataset if paper else "",
            paper_reference_top1_error=paper.reference_top1 if paper else None,
            paper_pruned_top1_error=paper.pruned_top1 if paper else None,
            paper_reference_top5_error=paper.reference_top5 if paper else None,
            paper_pruned_top5_error=paper.pruned_top5 if paper else None,
            paper_weights=paper.weights if paper else None,
            paper_kept=paper.kept if paper else None,
            paper_rate=paper.rate if paper else None,
            runs=" ".join(pruned.runs) if pruned else "",
        )


def sheet(made: Headline) -> TableSheet:
    lines = [line for network in made.networks for line in _lines(network)]
    metric, notes = made.metric, [_rule(made.metric, made.epsilon)]
    for network in made.networks:
        if network.pruned is None:
            change, rate = network.closest
            near = f"the closest changes val {metric.word} by {change:+.2f} {metric.change_unit} at {rate:.1f}×"
            name = ", ".join(filter(None, (f"{network.model} on {network.data}", network.differing)))
            notes.append(f"{name}: no pruned point is that good; {near}.")
    title = "Pruned without loss (after Han et al. 2015, Table 1)"
    of = "error, %" if metric == TOP1 else scoring.with_unit(metric, metric.title)
    header = ("Network", "Data", "Source", f"Reference {of}", f"Pruned {of}", "Weights", "Kept", "Rate")
    return TableSheet(title, header, "lllrrrrr", tuple(lines), tuple(notes))


def _rule(metric: Metric, epsilon: float) -> str:
    same = "no lower than" if metric.direction == "maximize" else "no higher than"
    loss, shown = scoring.bound(metric, epsilon) if epsilon else same, "Errors" if metric == TOP1 else "Scores"
    return (
        f"Pruned: the point of the highest rate whose mean val {metric.word} after retraining is {loss} that of the "
        f"dense reference, the dense network with the best mean val {metric.word}. {shown} are on test, mean ± sample "
        "standard deviation over n seeds; only points with the most seeds count. Weights are those that can be pruned; "
        "the paper counts biases too, and rounds."
    )


def _lines(network: HeadlineNetwork) -> Iterable[tuple[Cell, ...]]:
    pruned, paper = network.pruned, network.paper
    yield _line(
        network.model,
        ", ".join(filter(None, (network.data, network.differing))),
        f"ours: {_how(pruned)}, n = {pruned.score.n}" if pruned else f"ours, n = {network.score.n}",
        spread_text(network.score),
        spread_text(pruned.score if pruned else None),
        f"{network.weights:,}",
        f"{pruned.kept:,.0f}" if pruned else MISSING,
        f"{pruned.rate:.1f}×" if pruned else MISSING,
    )
    if network.top5_error:
        errors = spread_text(network.top5_error), spread_text(pruned.top5_error if pruned else None)
        yield _line("", "", "ours, top-5", *errors, "", "", "")
    if paper:
        counts = f"{paper.weights:,.0f}", f"{paper.kept:,.0f}", f"{paper.rate:g}×"
        yield _line(paper.name, paper.dataset, "Han et al. 2015", f"{paper.reference_top1:.2f}",
                    f"{paper.pruned_top1:.2f}", *counts)  # fmt: skip
        if paper.reference_top5 is not None and paper.pruned_top5 is not None:
            top5 = f"{paper.reference_top5:.2f}", f"{paper.pruned_top5:.2f}"
            yield _line("", "", "Han et al. 2015, top-5", *top5, "", "", "")


def _how(pruned: Pruned) -> str:
    found = dict(pruned.conditions)
    return ", ".join(filter(None, (*(found[name] for name in _CHOICES), pruned.differing)))


def _line(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text) for text in texts)
