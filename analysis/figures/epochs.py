"""Scores on val over the epochs of retraining, and where its rounds begin, as in Han's thesis, Figure 3.3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from analysis.drawing import ink, levels
from analysis.names import display_subject, extent
from analysis.publishing.numbers import CsvRow
from analysis.records import frames
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import joined, retraining_epochs, telling, texts, words
from analysis.statistics.curves import budget_text
from analysis.statistics.one_budget import NO_COURSES
from pruneexp.errors import UserError
from pruneexp.schema import Metric
from pruneexp.summary.spread import Spread, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_OF = "courses"


class Course(NamedTuple):
    """One curve: its score over seeds at each epoch, and the epochs after which a round begins."""

    label: str
    conditions: tuple[tuple[str, str], ...]
    epochs: tuple[tuple[int, Spread], ...]
    rounds: tuple[int, ...]
    runs: tuple[str, ...]


class Epochs(NamedTuple):
    """The curves of one network at one budget; ``dense`` is the mean of the dense networks on val."""

    data: str
    model: str
    metric: Metric
    budget: str
    courses: tuple[Course, ...]
    dense: float


def data(frame: pd.DataFrame) -> Epochs:
    """Every curve whose points tell their scores by epoch.

    Raises:
        UserError: there is none, or there are several networks, data sets, budgets or primary metrics.
    """
    dataset, model = selection.one_subject(frame, "figure", NO_COURSES)
    metric, names = scoring.primary(frame), ("mode", *frames.CONDITIONS)
    budgets = selection.combinations(frame, frames.BUDGET)
    if len(budgets) > 1:
        each = [f"{value:g}" for value in sorted(budget["budget.value"] for budget in budgets)]
        raise UserError(f"epochs are shown of one budget: choose one of {', '.join(each)}, as `--where budget.value="
                        f"{each[0]}` does.")  # fmt: skip
    told = telling([key for key, _ in selection.groups(frame, names)], names)
    found = selection.groups(frame, (*told, *(name for name in names if name not in told)))  # in the order of these
    return Epochs(
        data=dataset,
        model=model,
        metric=metric,
        budget=budget_text(*budgets[0].values()),
        courses=tuple(_course(of, rows, told, texts(of, names)) for of, rows in found),
        dense=float(frame[f"val.dense.{metric.name}"].mean()),
    )


def _course(
    key: dict[str, Any], rows: pd.DataFrame, told: Sequence[str], conditions: tuple[tuple[str, str], ...]
) -> Course:
    courses = [dict(course) for course in rows["course"]]
    shared = sorted(set(courses[0]).intersection(*courses[1:]))
    each = float(retraining_epochs(key) or 0.0)
    rounds = [round(each * k) for k in range(1, 1 + int(max(shared, default=0) / each))] if each else []
    starts = (0, *(start for start in rounds if start < max(shared)))
    return Course(
        label=_label(key, told, each, len(starts)),
        conditions=conditions,
        epochs=tuple((epoch, spread(course[epoch] for course in courses)) for epoch in shared),
        rounds=starts,
        runs=tuple(sorted(rows["run_id"])),
    )


def _label(key: dict[str, Any], told: Sequence[str], each: float, rounds: int) -> str:
    """``progressive, 3 × 15 epochs``: retraining of several rounds is longer than the epochs of one."""
    if not each or "retrain_epochs" not in told:
        return words(key, told)
    length = f"{rounds} × {each:g} epochs" if rounds > 1 else f"{each:g} epochs"
    return ", ".join(filter(None, (words(key, [name for name in told if name != "retrain_epochs"]), length)))


def rows(made: Epochs) -> Iterator[CsvRow]:
    """One epoch of a curve, counted from the first of retraining: the score on val, over ``n`` seeds."""
    for course in made.courses:
        for epoch, score in course.epochs:
            yield {
                "data": made.data,
                "model": made.model,
                "curve": course.label,
                "conditions": joined(course.conditions),
                "budget": made.budget,
                "metric": made.metric.name,
                "epoch": epoch,
                **score._asdict(),
                "runs": " ".join(course.runs),
            }


def caption(made: Epochs) -> str:
    counts = {len(course.runs) for course in made.courses}
    seeds = "one seed" if counts == {1} else f"mean over {extent(counts)} seeds, bands: all of them"
    summed = any(" + " in course.label for course in made.courses)
    several = any(len(course.rounds) > 1 for course in made.courses)
    title = f"{made.metric.title[0].upper()}{made.metric.title[1:]}"
    return (
        f"{title} on val over the epochs of retraining, at {made.budget} in the end, {seeds}. Dotted "
        "across: the dense networks."
        + " Dotted upright: where a round of pruning begins; the network is denser before the last." * several
        + " Epochs in the legend: of dense training + of each retraining." * summed
        + " After Han's thesis, Figure 3.3, which is an illustration without scores."
    )


def draw(made: Epochs) -> Figure:
    labels = [course.label for course in made.courses]
    title, legends = display_subject(made.model, made.data), [labels] if any(labels) else []
    figure, page = ink.paper(title, 1, legends, caption(made), heading=3.0, between=0.0)
    axes = figure.add_axes(page.box(0))
    axes.set_xlabel("epoch of retraining")
    ink.name_y(axes, page, scoring.with_unit(made.metric, f"{made.metric.title} on val"))
    ink.dotted(axes, made.dense, "black")
    entries = []
    for course in made.courses:
        marker = "" if len(course.epochs) > 1 else "o"
        line = levels.line(labels, (), course.label, "", dashed=False)._replace(marker=marker)
        x, scores = [epoch for epoch, _ in course.epochs], [score for _, score in course.epochs]
        ink.means(axes, line, x, scores)
        for start in course.rounds[1:]:
            ink.upright(axes, start + 0.5, line.colour)
        entries.append((course.label, line))
    axes.autoscale_view()
    axes.set_xlim(0, 1.05 * max(epoch for course in made.courses for epoch, _ in course.epochs))
    axes.locator_params(axis="x", integer=True)
    if any(labels):
        ink.legend(axes, page, entries)
    return figure
