"""What retraining leaves of the weights of dead units, which a penalty alone drives to zero (Han et al. 2015, 3.5)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from analysis.figures import tradeoff
from analysis.figures.tradeoff import Tradeoff
from analysis.records.measured_frames import UNITS
from analysis.statistics.conditions import joined
from analysis.statistics.curves import seeds
from analysis.statistics.latencies import command
from pruneexp.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The columns of the frame that is drawn: y, and the panels.
_LEFT, _PANEL = "mean |w|, % of before retraining", "side"
#: What weights there are, by their names in records; panels are in the order of these words.
_PANELS = {
    "into unread": "into unread units",
    "out of constant": "out of constant units",
    "live": "weights on live paths",
}


class DeadUnits(NamedTuple):
    """The curves, a panel for each kind of weight; ``counts`` are all weights of each over points, by its panel."""

    picture: Tradeoff
    counts: tuple[tuple[str, int], ...]
    unmeasured: str


class DeadUnitsRow(NamedTuple):
    """The weights of one kind at one budget of one curve: their mean after retraining in % of that before it.

    Mean, sample standard deviation and ends over ``n`` seeds; run ids are separated by spaces.
    """

    data: str
    model: str
    weights: str
    curve: str
    conditions: str
    budget: str
    pruned: float
    left_mean: float
    left_std: float | None
    left_min: float
    left_max: float
    n: int
    runs: str


def data(frame: pd.DataFrame) -> DeadUnits:
    """Every curve whose points have dead units, by the kind of weight.

    Raises:
        UserError: no point is measured, or none of them has a dead unit.
    """
    if frame.empty:
        raise UserError("no point is logged, and the weights of dead units are those of pruned and retrained networks.")
    counts = {which: f"{UNITS}{which}.count" for which in _PANELS}
    known = [column for column in counts.values() if column in frame]
    measured = frame[frame[known].notna().any(axis=1)] if known else frame[:0]
    if measured.empty:
        raise UserError(f"none of these points is measured: `{command(frame)}` does it.")
    found = {which: int(measured[column].sum()) for which, column in counts.items() if column in measured}
    if not any(found[which] for which in found if which != "live"):
        raise UserError(f"none of {len(measured)} measured points has a dead unit with weights: prune them further.")
    parts = [measured.assign(**{_LEFT: _left(measured, which), _PANEL: _PANELS[which]}) for which in found]
    rows = pd.concat(parts, ignore_index=True).dropna(subset=[_LEFT])
    lacking = len(frame) - len(measured)
    said = f"{lacking} of {len(frame)} points are not measured: {command(frame)} does it." if lacking else ""
    told = tuple((_PANELS[which], number) for which, number in found.items())
    return DeadUnits(tradeoff.data(rows, y=_LEFT, facet=_PANEL), told, said)


def _left(rows: pd.DataFrame, which: str) -> pd.Series:
    before = rows[f"{UNITS}{which}.before"]
    return 100.0 * rows[f"{UNITS}{which}.after"] / before.where(before > 0.0, math.nan)


def runs(made: DeadUnits) -> tuple[str, ...]:
    return tradeoff.runs(made.picture)


def rows(made: DeadUnits) -> Iterable[DeadUnitsRow]:
    found = made.picture.numbers
    for curve in made.picture.curves:
        name = ", ".join(part for part in (curve.colour, curve.style) if part)
        for mark in curve.marks:
            kind = (found.data, found.model, curve.facet, name, joined(curve.conditions), mark.budget)
            y = mark.y
            yield DeadUnitsRow(*kind, mark.x, y.mean, y.std, y.low, y.high, y.n, " ".join(mark.runs))


def draw(made: DeadUnits) -> Figure:
    return tradeoff.draw(made.picture, caption(made))


def caption(made: DeadUnits) -> str:
    fewest, most = seeds(made.picture.curves)
    count = str(most) if fewest == most else f"{fewest} to {most}"
    over = f"Marks: mean over {count} seeds; bands: from the lowest to the highest seed." if most > 1 else "One seed."
    counts = ", ".join(f"{number:,} {panel}" for panel, number in made.counts).replace("weights ", "")
    why = (
        "Mean magnitude of kept weights after retraining, in per cent of that before it. No loss reaches weights into "
        "a unit of which every output is pruned; those out of a unit without inputs see the constant of its bias, which "
        "is zero after a ReLU where the bias is negative. What is left to change them is the penalty."
    )
    parts = [why, f"Weights over all points: {counts}.", "On top: compression.", over, made.unmeasured]
    return " ".join(part for part in parts if part)
