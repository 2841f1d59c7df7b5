"""How far each network can be pruned without loss, beside Han et al. 2015, Table 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import pandas as pd

from analysis.paper import paper_numbers
from analysis.publishing.sheet import MISSING, Cell, TableSheet, spread_text
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import joined, telling, texts, varying, words
from pruneexp.errors import UserError
from pruneexp.summary.spread import Spread, spread

#: Our networks that the paper has too.
PAPER_NAMES = {"lenet_300_100": "LeNet-300-100", "lenet5": "LeNet-5", "alexnet": "AlexNet", "vgg16": "VGG-16"}
HEADER = ("Network", "Data", "Source", "Reference error, %", "Pruned error, %", "Weights", "Kept", "Rate")

#: What is never compared: networks of other sizes, and accuracies on other images.
_APART = (*frames.SUBJECT, "data_fingerprint", "weights_total")
#: What a dense network depends on, beside its seed.
_DENSE = ("dense_settings", "reg", "reg_strength", "reg_settings", "precision")
#: Told of every chosen point.
_CHOICES = ("reg", "schedule", "criterion")
_SLACK = 1e-9  # points of accuracy: means of floats are not exact


class Pruned(NamedTuple):
    """The chosen point: its conditions, test errors in percent over seeds, and how many weights are left.

    ``differing`` tells it from the others of the same penalty, schedule and criterion that it was chosen from.
    """

    conditions: tuple[tuple[str, str], ...]
    differing: str
    top1_error: Spread
    top5_error: Spread | None
    kept: float
    rate: float
    val_change: float
    runs: tuple[str, ...]


class Paper(NamedTuple):
    """The paper's row; errors in percent."""

    name: str
    dataset: str
    reference_top1: float
    pruned_top1: float
    reference_top5: float | None
    pruned_top5: float | None
    weights: float
    kept: float
    rate: float


class HeadlineNetwork(NamedTuple):
    """One network on one data set. ``pruned`` is absent where no point is within epsilon; ``closest`` says how near.

    ``differing`` says what tells it from other networks, or other parts of the data set, of the same names.
    """

    data: str
    model: str
    differing: str
    top1_error: Spread
    top5_error: Spread | None
    weights: int
    pruned: Pruned | None
    closest: tuple[float, float]  # (change of val accuracy in points, compression rate) of the best point of all
    paper: Paper | None


class Headline(NamedTuple):
    """The table; ``epsilon`` in points of val accuracy, ``considered`` the runs that were chosen from."""

    epsilon: float
    networks: tuple[HeadlineNetwork, ...]
    considered: tuple[str, ...]


class HeadlineRow(NamedTuple):
    """One network; errors in percent, run ids separated by spaces."""

    data: str
    model: str
    reference_top1_error_mean: float
    reference_top1_error_std: float | None
    pruned_top1_error_mean: float | None
    pruned_top1_error_std: float | None
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
    epsilon: Annotated[float, "points of val accuracy that the pruned network may lose"] = 0.0,
) -> Headline:
    """Per network the largest compression that costs at most ``epsilon`` points, chosen on val, reported on test.

    The reference is the dense network with the best mean val accuracy of any penalty, so that pruning a weak
    network does not count as free. One-shot and iterative points compete. A point counts only with as many seeds as
    the best covered one: a lucky single seed is no headline.

    Raises:
        UserError: there is no point of mode ``prune``, or ``epsilon`` is negative.
    """
    if not epsilon >= 0.0:
        raise UserError(f"--epsilon must be 0 or more points of accuracy; got {epsilon:g}.")
    points = frame[frame["mode"] == "prune"]
    if points.empty:
        raise UserError("no point of mode prune is logged, and the headline is about pruned and retrained networks.")
    networks: list[HeadlineNetwork] = []
    for subject, every in selection.groups(points, frames.SUBJECT):
        found = list(selection.groups(every, _APART))
        needed = varying([key for key, _ in found], ("data_fingerprint", "weights_total"))
        networks += (_network(str(subject["data"]), str(subject["model"]), words(key, needed), rows, epsilon)
                     for key, rows in found)  # fmt: skip
    return Headline(float(epsilon), tuple(networks), tuple(sorted(points["run_id"])))


def _network(dataset: str, model: str, differing: str, points: pd.DataFrame, epsilon: float) -> HeadlineNetwork:
    dense = _reference(points)
    base = spread(dense["val.dense.top1"]).mean
    found = list(selection.groups(points, (*frames.CONDITIONS, *frames.BUDGET)))
    most = max(len(rows) for _, rows in found)
    candidates = [(key, rows) for key, rows in found if len(rows) == most]
    ranked = [(_pruned(key, rows, base, dataset), key) for key, rows in candidates]
    ranked.sort(key=lambda pair: (-pair[0].rate, -pair[0].val_change, pair[0].conditions, pair[0].runs))
    free = [pair for pair in ranked if pair[0].val_change >= -epsilon - _SLACK]
    best = max((made for made, _ in ranked), key=lambda made: made.val_change)
    return HeadlineNetwork(
        data=dataset,
        model=model,
        differing=differing,
        top1_error=_error(dense, "test.dense.top1"),
        top5_error=_error(dense, "test.dense.top5") if dataset == "imagenet" else None,
        weights=int(points["weights_total"].iloc[0]),
        pruned=_told(*free[0], [key for key, _ in candidates]) if free else None,
        closest=(best.val_change, best.rate),
        paper=_paper(model),
    )


def _reference(points: pd.DataFrame) -> pd.DataFrame:
    """One row per seed of the dense network with the best mean val accuracy, of those with the most seeds."""
    found = [rows.drop_duplicates("dense_key").sort_values("seed") for _, rows in selection.groups(points, _DENSE)]
    return max(found, key=lambda rows: (len(rows), spread(rows["val.dense.top1"]).mean))


def _told(pruned: Pruned, key: Mapping[str, Any], candidates: Iterable[Mapping[str, Any]]) -> Pruned:
    alike = [other for other in candidates if all(other[name] == key[name] for name in _CHOICES)]
    return pruned._replace(differing=words(key, telling(alike, frames.CONDITIONS)))


def _pruned(key: Mapping[str, Any], rows: pd.DataFrame, base: float, dataset: str) -> Pruned:
    kept = spread(rows["weights_kept"]).mean
    return Pruned(
        conditions=texts(key, tuple(key)),
        differing="",
        top1_error=_error(rows, "test.after.top1"),
        top5_error=_error(rows, "test.after.top5") if dataset == "imagenet" else None,
        kept=kept,
        rate=float(rows["weights_total"].iloc[0]) / max(1.0, kept),
        val_change=spread(rows["val.after.top1"]).mean - base,
        runs=tuple(sorted(rows["run_id"])),
    )


def _error(rows: pd.DataFrame, column: str) -> Spread:
    return spread(100.0 - rows[column])


def _paper(model: str) -> Paper | None:
    name = PAPER_NAMES.get(model)
    if name is None:
        return None
    printed = [number for number in paper_numbers("han2015_table1_headline") if number.model == name]
    values = {(number.method, number.metric): number.value for number in printed}
    return Paper(
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


def runs(made: Headline) -> tuple[str, ...]:
    return made.considered


def rows(made: Headline) -> Iterable[HeadlineRow]:
    for network in made.networks:
        pruned, paper = network.pruned, network.paper
        yield HeadlineRow(
            data=network.data,
            model=network.model,
            reference_top1_error_mean=network.top1_error.mean,
            reference_top1_error_std=network.top1_error.std,
            pruned_top1_error_mean=pruned.top1_error.mean if pruned else None,
            pruned_top1_error_std=pruned.top1_error.std if pruned else None,
            reference_top5_error_mean=network.top5_error.mean if network.top5_error else None,
            pruned_top5_error_mean=pruned.top5_error.mean if pruned and pruned.top5_error else None,
            n=pruned.top1_error.n if pruned else network.top1_error.n,
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
    notes = [_rule(made.epsilon)]
    for network in made.networks:
        if network.pruned is None:
            change, rate = network.closest
            near = f"the closest changes val accuracy by {change:+.2f} points at {rate:.1f}×"
            name = ", ".join(filter(None, (f"{network.model} on {network.data}", network.differing)))
            notes.append(f"{name}: no pruned point is that good; {near}.")
    title = "Pruned without loss (after Han et al. 2015, Table 1)"
    return TableSheet(title, HEADER, "lllrrrrr", tuple(lines), tuple(notes))


def _rule(epsilon: float) -> str:
    loss = f"at most {epsilon:g} points below" if epsilon else "no lower than"
    return (
        f"Pruned: the point of the highest rate whose mean val accuracy after retraining is {loss} that of the dense "
        "reference, the dense network with the best mean val accuracy. Errors are on test, mean ± sample standard "
        "deviation over n seeds; only points with the most seeds count. Weights are those that can be pruned; the "
        "paper counts biases too, and rounds."
    )


def _lines(network: HeadlineNetwork) -> Iterable[tuple[Cell, ...]]:
    pruned, paper = network.pruned, network.paper
    yield _line(
        network.model,
        ", ".join(filter(None, (network.data, network.differing))),
        f"ours: {_how(pruned)}, n = {pruned.top1_error.n}" if pruned else f"ours, n = {network.top1_error.n}",
        spread_text(network.top1_error),
        spread_text(pruned.top1_error if pruned else None),
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
