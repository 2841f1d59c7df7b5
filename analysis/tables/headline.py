"""How far each network can be pruned without loss, beside Han et al. 2015, Table 1."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.paper import HEADLINES, PaperHeadline, headline_of
from analysis.publishing.numbers import CsvRow, spread_columns
from analysis.publishing.sheet import MISSING, TableSheet, spread_text, table_sheet
from analysis.records import frames
from analysis.statistics import headlines, inference, scoring, selection, test_sets
from analysis.statistics.conditions import joined, varying, words
from analysis.statistics.headlines import Choice, SeedScores
from analysis.statistics.inference import Comparison
from pruneexp.errors import UserError
from pruneexp.schema import TOP1, Metric
from pruneexp.summary.spread import Spread, spread

#: What is never compared: networks of other sizes, and scores on other examples.
_APART = (*frames.SUBJECT, "data_fingerprint", "weights_total")
#: The numbers of the paper's that are columns.
_PAPER = PaperHeadline._fields[2:]
#: Candidates of a choice that a note names, beside the share of all others.
_NAMED = 3


class HeadlineNetwork(NamedTuple):
    """One network on one data set; ``differing`` tells it from others of these names, or of other parts of the data."""

    data: str
    model: str
    differing: str
    weights: int
    choice: Choice
    paper: PaperHeadline | None


class Headline(NamedTuple):
    """The table, by the primary metric; ``epsilon`` is a loss on val, ``considered`` the runs that were chosen from.

    ``unlogged`` are networks of the papers without runs here, by our name.
    """

    metric: Metric
    epsilon: float
    networks: tuple[HeadlineNetwork, ...]
    unlogged: tuple[tuple[str, PaperHeadline], ...]
    considered: tuple[str, ...]
    test_set: str


def data(
    frame: pd.DataFrame,
    *,
    epsilon: Annotated[float, "points, or %, that the pruned network may lose on val"] = 0.0,
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
    paper: Annotated[bool, "also the papers' networks that are not logged, with what runs them"] = False,
) -> Headline:
    """Per network the largest compression that costs at most ``epsilon``, chosen on val, reported on test.

    One-shot and iterative points compete (``analysis.statistics.headlines``).

    Raises:
        UserError: there is no point of mode ``prune``, ``epsilon`` is negative, or ``margin`` is no margin.
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
        for key, rows in found:
            choice = headlines.choose(rows, metric, epsilon, test_sets.margin(rows, margin))
            printed = headline_of(str(subject["model"])) if metric == TOP1 else None
            weights, differing = int(rows["weights_total"].iloc[0]), words(key, needed)
            networks.append(
                HeadlineNetwork(str(subject["data"]), str(subject["model"]), differing, weights, choice, printed)
            )
    runs, told = tuple(sorted(points["run_id"])), test_sets.note(points, metric, "test")
    choices = inference.together([one.choice for one in networks], "test_change")
    judged = tuple(one._replace(choice=choice) for one, choice in zip(networks, choices, strict=True))
    unlogged = _unlogged({one.model for one in judged}) if paper and metric == TOP1 else ()
    return Headline(metric, float(epsilon), judged, tuple(unlogged), runs, told)


def _unlogged(logged: Collection[str]) -> Iterator[tuple[str, PaperHeadline]]:
    for model in HEADLINES:
        if model not in logged and (printed := headline_of(model)):
            yield model, printed


def runs(made: Headline) -> tuple[str, ...]:
    return made.considered


def rows(made: Headline) -> Iterator[CsvRow]:
    """One network; scores are those of ``metric``, errors in percent. One that is not logged has the paper's alone.

    ``test_change`` is that of the metric, not of the error, with its 95 % interval; ``chosen_share`` the share of
    draws of other seeds that would have chosen the same point, ``rate_low`` and ``rate_high`` hold 95 % of their rates.
    """
    logged = [_row(network, made.metric) for network in made.networks]
    yield from logged
    for model, printed in made.unlogged:
        told = {"model": model, "metric": "top1_error", **_printed(printed), "runs": ""}
        yield {**dict.fromkeys(logged[0]), **told}


def _row(network: HeadlineNetwork, metric: Metric) -> CsvRow:
    choice = network.choice
    pruned, change, certain = choice.chosen, choice.test_change, choice.certainty
    reference, left = _score(choice.reference, metric), _score(pruned.scores, metric) if pruned else None
    top5 = network.data == "imagenet" and metric == TOP1
    return {
        "data": network.data,
        "model": network.model,
        "metric": "top1_error" if metric == TOP1 else metric.name,
        **spread_columns("reference", reference),
        **spread_columns("pruned", left),
        "reference_top5_error_mean": _top5_error(choice.reference).mean if top5 else None,
        "pruned_top5_error_mean": _top5_error(pruned.scores).mean if top5 and pruned else None,
        "n": left.n if left else reference.n,
        "weights": network.weights,
        "kept": pruned.kept if pruned else None,
        "rate": pruned.rate if pruned else None,
        "rate_low": certain.low if certain else None,
        "rate_high": certain.high if certain else None,
        "chosen_share": dict(certain.shares).get(pruned, 0.0) if certain and pruned else None,
        "val_change": pruned.val_change if pruned else None,
        **_test_change(change, metric),
        "verdict": change.verdict if change else "" if certain else "no verdict",
        "conditions": joined(pruned.conditions) if pruned else "",
        **_printed(network.paper),
        "runs": " ".join(pruned.scores.runs) if pruned else "",
    }


def _printed(paper: PaperHeadline | None) -> dict[str, str | float | None]:
    return {f"paper_{name}": getattr(paper, name, None) for name in _PAPER}


def _test_change(change: Comparison | None, metric: Metric) -> dict[str, float | None]:
    moved = scoring.as_changes(change, metric) if change else None
    return {
        "test_change": moved.mean if moved else None,
        "test_change_low": moved.low if moved else None,
        "test_change_high": moved.high if moved else None,
        "p": change.p if change else None,
        "p_equivalent": change.p_equivalent if change else None,
        "margin": change.margin if change else None,
    }


def _score(of: SeedScores, metric: Metric) -> Spread:
    """The top-1 error on test in percent, or the value of another metric."""
    return spread(100.0 - value if metric == TOP1 else value for _, value in of.test)


def _top5_error(of: SeedScores) -> Spread:
    return spread(100.0 - value for _, value in of.test_top5)


def sheet(made: Headline) -> TableSheet:
    metric = made.metric
    of = "error, %" if metric == TOP1 else scoring.with_unit(metric, metric.title)
    change = f"Test change, {metric.change_unit}"
    header = ("Network", "Source", f"Reference {of}", f"Pruned {of}", change, "Verdict", "Weights kept", "Rate")
    lines = [line for network in made.networks for line in _lines(network, metric)]
    notes = [*_rules(made), *(note for network in made.networks for note in _notes(network, metric))]
    for model, printed in made.unlogged:
        lines += [(printed.name, "ours, to be run", *[MISSING] * 3, "", *[MISSING] * 2), *_paper_lines(printed)]
        notes.append(f"To be run ({printed.name}): python -m pruneexp experiment={HEADLINES[model]} data.root=DIR")
    cost = f"with a loss of at most {scoring.amount(metric, made.epsilon)}" if made.epsilon else "without loss"
    return table_sheet(f"Pruned {cost} (after Han et al. 2015, Table 1)", header, "llrrrlrr", lines, notes)


def _lines(network: HeadlineNetwork, metric: Metric) -> Iterator[tuple[str, ...]]:
    choice, paper = network.choice, network.paper
    pruned, change, reference = choice.chosen, choice.test_change, _score(choice.reference, metric)
    rates = f" [{choice.certainty.low:.1f}, {choice.certainty.high:.1f}]" if choice.certainty else ""
    yield (
        _subject(network),
        f"ours: {pruned.name}, n = {len(pruned.scores.val)}" if pruned else f"ours, n = {reference.n}",
        spread_text(reference),
        spread_text(_score(pruned.scores, metric) if pruned else None),
        scoring.with_interval(scoring.as_changes(change, metric)) if change else MISSING,
        change.said() if change else "" if choice.certainty else f"n = {reference.n}: no verdict",
        (f"{pruned.kept:,.0f}" if pruned else MISSING) + f" of {network.weights:,}",
        (f"{pruned.rate:.1f}×" if pruned else MISSING) + rates,
    )
    if network.data == "imagenet" and metric == TOP1:
        top5 = _top5_error(choice.reference), _top5_error(pruned.scores) if pruned else None
        yield "", "ours, top-5", *map(spread_text, top5), "", "", "", ""
    if paper:
        yield from _paper_lines(paper)


def _paper_lines(paper: PaperHeadline) -> Iterator[tuple[str, ...]]:
    counts = f"{paper.kept:,.0f} of {paper.weights:,.0f}", f"{paper.rate:g}×"
    errors = f"{paper.reference_top1_error:.2f}", f"{paper.pruned_top1_error:.2f}"
    yield f"{paper.name} on {paper.data}", paper.source, *errors, "", "", *counts
    if paper.reference_top5_error is not None and paper.pruned_top5_error is not None:
        errors = f"{paper.reference_top5_error:.2f}", f"{paper.pruned_top5_error:.2f}"
        yield "", f"{paper.source}, top-5", *errors, "", "", "", ""


def _rules(made: Headline) -> Iterator[str]:
    metric, epsilon = made.metric, made.epsilon
    same = "no lower than" if metric.direction == "maximize" else "no higher than"
    loss, shown = scoring.bound(metric, epsilon) if epsilon else same, "Errors" if metric == TOP1 else "Scores"
    yield (
        f"Pruned: the point of the highest rate whose mean val {metric.word} after retraining is {loss} that of the "
        f"dense reference, the dense network with the best mean val {metric.word}. {shown} are on test, mean ± sample "
        "standard deviation over n seeds; only points with the most seeds count. Weights are those that can be pruned; "
        "the paper counts biases too, and rounds."
    )
    changes = [one.choice.test_change for one in made.networks if one.choice.test_change]
    if changes:
        yield (
            f"Test change: {metric.word} of the pruned network less that of the reference, paired by seed, with its "
            "95 % interval; no worse where it surely loses less than "
            f"{scoring.amounts(metric, (one.margin for one in changes))} ({inference.corrected(changes)})."
        )
    if any(one.choice.certainty for one in made.networks):
        yield "Rate: with the interval that holds 95 % of the rates that the same rule would choose with other seeds."
    yield made.test_set


def _subject(network: HeadlineNetwork) -> str:
    return ", ".join(filter(None, (display_subject(network.model, network.data), network.differing)))


def _notes(network: HeadlineNetwork, metric: Metric) -> Iterator[str]:
    subject = _subject(network)
    closest, certain, change = network.choice.closest, network.choice.certainty, network.choice.test_change
    if change and change.settled_by:
        yield f"{subject}: {change.settled_by} seeds in all would probably settle the test change."
    if network.choice.chosen is None:
        near = f"{scoring.signed(closest.val_change, 2)} {metric.change_unit} at {closest.rate:.1f}×"
        yield f"{subject}: no pruned point is that good; the closest changes val {metric.word} by {near}."
    if certain is None:
        return
    told = [f"{one.name} at {one.rate:.1f}× ({share:.0%})" for one, share in certain.shares[:_NAMED]]
    others = sum(share for _, share in certain.shares[_NAMED:])
    told += [f"others ({others:.0%})"] * bool(others) + [f"none ({certain.nothing:.0%})"] * bool(certain.nothing)
    yield f"{subject}, chosen with other seeds: {', '.join(told)}."
