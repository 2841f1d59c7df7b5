"""The description of the run of a curve or a search: what MLflow renders of Markdown, with its table.

Pure: from points to text. Accuracies are percent; scores are those on val unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from pruneexp import schema
from pruneexp.schema import Metric
from pruneexp.tracking.naming import TAG_LIMIT

#: The tag that holds a run's description.
TAG = "mlflow.note.content"


def curve_heading(point: schema.TradeoffPoint) -> str:
    """What the curve is of, and below it every setting that its records say in words."""
    of = point.identity
    penalty = f"{of.reg} {of.reg_strength:g}"
    if of.reg_retrain_strength != of.reg_strength:
        penalty = f"{penalty}, in retraining {of.reg_retrain_strength:g}"
    choices = f"{of.criterion}, {of.schedule}, mode {of.mode}, {penalty}, seed {of.seed}"
    told = ((name, getattr(of, name)) for names in schema.EXPLAINED.values() for name in names)
    settings = ", ".join(f"{name} {value}" for name, value in told if value is not None)
    return f"**{of.model} on {of.data}**: {choices}" + (f"\n\n{settings}" if settings else "")


def search_heading(name: str, trials: int, metric: Metric, cost: str = "density", max_cost: float | None = None) -> str:
    """What stands in the table of a search; within a ``max_cost`` the best comes first."""
    unbeaten = f"that no other beats in {metric.word} on val at their {cost} or below"
    if max_cost is None:
        return f"**{name}**: of {trials} points those {unbeaten}"
    return f"**{name}**: of {trials} points those within {max_cost:g} of the dense {cost} {unbeaten}, the best first"


def description(
    heading: str, points: Sequence[schema.TradeoffPoint], cost: tuple[str, Sequence[float]] = ("", ())
) -> str:
    """The table; of one that is longer than a tag, the first rows.

    A last column says of which points the scores are doubtful, where there is one. ``cost`` is the name of another one
    than density and its share at each point, where there are such. Without points it is the heading alone.
    """
    if not points:
        return heading
    doubtful, (name, shares) = any(map(schema.doubts, points)), cost
    head = _head(points[0].identity.primary)
    head = (*head[:1], *[name] * bool(shares), *head[1:], *[""] * doubtful)
    lines = [heading, "", _row(head), _row(["---:"] * len(head))]
    room = TAG_LIMIT - sum(len(line) + 1 for line in lines)
    for place, point in enumerate(points):
        share = [f"{each:.4f}" for each in shares[place : place + 1]]
        first, *others = _cells(point)
        row = _row((first, *share, *others, *["; ".join(schema.doubts(point))] * doubtful))
        room -= len(row) + 1
        if room < 0:
            break
        lines.append(row)
    return "\n".join(lines)


def _head(metric: Metric) -> tuple[str, ...]:
    val = metric.heading("val", "before"), metric.heading("val", "after"), metric.change_heading("val")
    return ("budget", "density", "compression", *val, metric.heading("test", "after"), metric.change_heading("test"))


def _cells(point: schema.TradeoffPoint) -> tuple[str, ...]:
    result, budget, metric = point.result, point.identity.budget, point.identity.primary
    val, test = result.val, result.test
    return (
        budget.text if point.identity.trial < 0 else f"trial {point.identity.trial}",
        f"{result.density:.4f}",
        f"{result.weights_total / max(1, result.weights_kept):.1f}x",
        "" if val.before is None else f"{val.before[metric.name]:.2f}",
        *_after(val, metric),
        *(("", "") if test is None else _after(test, metric)),
    )


def _after(scores: schema.Scores, metric: Metric) -> tuple[str, str]:
    """The score after retraining, and its change against the dense network."""
    value = scores.after[metric.name]
    return f"{value:.2f}", f"{metric.change(scores.dense[metric.name], value):+.2f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
