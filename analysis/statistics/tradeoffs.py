"""A trade-off as numbers: which points are shown, what the axes are of, which curves there are, and what is left out.

Knows the columns of points, and no ink. A frame of any points will do: with a column of its own, such as the side of a
comparison that a point is of, ``color`` may name that column.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import latencies, quantities, scoring, selection
from analysis.statistics.curves import Channels, Curve, CurveSet, channels, family
from analysis.statistics.moments import of_curves
from analysis.statistics.quantities import Quantity
from pruneexp.errors import UserError
from pruneexp.schema import Metric

#: The mode that is shown where several are logged and nothing else is asked for.
MODE = "prune"


class Asked(NamedTuple):
    """The options of a trade-off, as the command line has them; empty texts ask for nothing."""

    split: Split = "test"
    metric: str = scoring.AUTO
    x: str = "pruned"
    y: str = quantities.CHANGE
    log_x: bool = False
    color: str = ""
    style: str = ""
    facet: str = ""
    xlim: str = ""
    ylim: str = ""


class Numbers(NamedTuple):
    """Everything that a trade-off shows of the records.

    ``hidden`` are the modes that are left out, ``lacking`` counts the points that have no y. Where x is measured,
    ``dense`` is that of what no pruning has a part in; ``notes`` are sentences on what is measured.
    """

    data: str
    model: str
    metric: Metric
    x: str
    y: Quantity
    family: CurveSet
    hidden: tuple[str, ...]
    lacking: int
    dense: float | None
    notes: tuple[str, ...]

    @property
    def curves(self) -> tuple[Curve, ...]:
        return self.family.curves


def numbers(frame: pd.DataFrame, asked: Asked) -> Numbers:
    """The curves of one network on one data set.

    Raises:
        UserError: there is no such point or column, or there are several networks, data sets or primary metrics.
    """
    named = (asked.color, asked.style, asked.facet)
    by = tuple((quantities.column(frame, option, name, ("moment",)),) if name else ()
               for option, name in zip(("color", "style", "facet"), named, strict=True))  # fmt: skip
    points, hidden = _of_modes(frame, named)
    lacking = "no point is logged, and the trade-off shows pruned and retrained networks."
    dataset, model = selection.one_subject(points, "trade-off", lacking)
    metric = scoring.shown(points, asked.metric)
    points, x, y, dense, notes = _axes(points, asked, metric)
    own = [name for name in named if name and name not in ("moment", "mode", *frames.CONDITIONS)]
    conditions = ("mode", *frames.CONDITIONS, *dict.fromkeys(own))
    if asked.x in quantities.OF_TRAINING:
        y = y._replace(columns=tuple(each for each in y.columns if each[0] == "after"))
    moments = of_curves(points, x[0], y, asked.split, conditions)
    if moments.empty:
        what = f"the number {y.name}" if y.measured is None else f"a {metric.title} on the {asked.split} split"
        raise UserError(f"no point of {model} on {dataset} has {what}.")
    made = family(moments, conditions, channels(moments, conditions, Channels(*by)))
    without_y = 0 if latencies.is_measured(asked.y) else _lacking(points, y)
    return Numbers(dataset, model, metric, x[1], y, made, hidden, without_y, dense, notes)


def _axes(
    points: pd.DataFrame, asked: Asked, metric: Metric
) -> tuple[pd.DataFrame, tuple[str, str], Quantity, float | None, tuple[str, ...]]:
    """The points with what the axes are of, x as its column and label, y, x of what is not pruned, and notes."""
    measured = [latencies.is_measured(name) for name in (asked.x, asked.y)]
    if not any(measured):
        return points, quantities.cost(asked.x), quantities.quantity(points, asked.y, asked.split, metric), None, ()
    points, machine = latencies.of_one_machine(points)
    notes, dense = [], None
    if measured[0]:
        points, column = latencies.measured_column(points, "x", asked.x)
        x = (column.column, f"{column.title}, {column.unit}")
        dense = None if column.base is None else float(points[column.base].mean())
        notes.append(latencies.note(points, column, machine))
    else:
        x = quantities.cost(asked.x)
    if measured[1]:
        points, column = latencies.measured_column(points, "y", asked.y)
        y = quantities.measured(column)
        notes.append(latencies.note(points, column, machine))
    else:
        y = quantities.quantity(points, asked.y, asked.split, metric)
    return points, x, y, dense, tuple(dict.fromkeys(notes))


def _lacking(points: pd.DataFrame, y: Quantity) -> int:
    return int(points[[name for _, name in y.columns]].isna().all(axis=1).sum())


def _of_modes(frame: pd.DataFrame, named: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The points to show, and the modes of all others: of several only ``prune`` where no channel tells modes apart."""
    modes = sorted(set(frame["mode"]))
    if MODE not in modes or len(modes) == 1 or "mode" in named:
        return frame, ()
    return frame[frame["mode"] == MODE], tuple(mode for mode in modes if mode != MODE)
