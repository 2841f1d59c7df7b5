"""The description of the run of a curve or a search: what MLflow renders of Markdown, with its table.

Pure: from points to text. Accuracies are percent; scores are those on val unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from pruneexp import schema
from pruneexp.schema import Metric
from pruneexp.summary.rows import dense_row, headings, row
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
    """The table that a terminal shows too; of one that is longer than a tag, the first rows.

    A last column says of which points the scores are doubtful, where there is one. ``cost`` is the name of another one
    than density and its share at each point, where there are such. Without points it is the heading alone.
    """
    if not points:
        return heading
    doubtful, (name, shares) = any(map(schema.doubts, points)), cost
    said = [("", ["1.0000"] * bool(shares), dense_row(points[:1]))]
    for place, point in enumerate(points):
        first, *others = row([point])
        trial = point.identity.trial
        cells = (first if trial < 0 else f"trial {trial}", *others)
        said.append(("; ".join(schema.doubts(point)), [f"{each:.4f}" for each in shares[place : place + 1]], cells))
    head = headings(points[0].identity.primary)
    head = (*head[:1], *[name] * bool(shares), *head[1:], *[""] * doubtful)
    lines = [heading, "", _line(head), _line(["---:"] * len(head))]
    room = TAG_LIMIT - sum(len(line) + 1 for line in lines)
    for doubt, share, (first, *others) in said:
        line = _line((first, *share, *others, *[doubt] * doubtful))
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
