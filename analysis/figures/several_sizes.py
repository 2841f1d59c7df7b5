"""Mean score of several sizes against the compute that trains them all, the dense network charged or given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels
from analysis.drawing.style import FAINT
from analysis.names import display_subject, extent
from analysis.publishing.numbers import CsvRow, range_columns
from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import extents, scoring, selection
from analysis.statistics.conditions import joined, unsaid
from analysis.statistics.curves import Channels, Curve, CurveSet, channels, family, over_seeds
from analysis.statistics.quantities import Quantity, limits
from analysis.statistics.spending import of_all_sizes
from pruneexp.errors import UserError
from pruneexp.schema import OF_A_MODE, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LACKING = "no trained network is logged at two budgets or more of one curve: curve.densities=[0.5,0.2,0.1] makes them."
_CONDITIONS = ("mode", *frames.CONDITIONS)
#: What the ways to train the same sizes have in common.
_SHARED = tuple(name for name in frames.CONDITIONS if name not in OF_A_MODE)
#: Each panel: what is said above it, and the place of its FLOP in ``spending.COMPUTE``.
_PANELS = (("dense network charged", 3), ("dense network given", 2))
#: What a mark is of, in place of the budget of one network.
_SIZES = "sizes"


class SeveralSizes(NamedTuple):
    """The curves of each of ``_PANELS``; x is in trainings of the dense network, ``y`` are the ends of the other axis.

    The k-th mark of a curve is the mean score of its k mildest sizes.
    """

    data: str
    model: str
    metric: Metric
    quantity: Quantity
    panels: tuple[CurveSet, ...]
    y: extents.Ends

    @property
    def curves(self) -> tuple[Curve, ...]:
        return self.panels[0].curves


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are shown on"] = "test",
    metric: Annotated[str, "auto: the primary one; or top5"] = scoring.AUTO,
    ylim: Annotated[str, "ends of the y axis, as LOW:HIGH"] = "",
) -> SeveralSizes:
    """A curve for each mode under each set of conditions, of the budgets that all modes there have.

    Raises:
        UserError: no such curve of a network with a trained dense one is logged, or those of several networks are.
    """
    dataset, model = selection.one_subject(frame, "figure", _LACKING)
    chosen = scoring.judged(frame, metric)
    rows = frame.assign(y=frame[f"{split}.after.{chosen.name}"], dense=frame[f"{split}.dense.{chosen.name}"])
    rows = rows[rows["y"].notna() & (rows["ledger.dense.flop"] > 0.0)]
    sums = [one for _, same in selection.groups(rows, _SHARED) for one in _sums(same)]
    if not sums:
        raise UserError(_LACKING)
    marks = pd.DataFrame(sums)
    told = channels(marks, _CONDITIONS, Channels(("mode",) if marks["mode"].nunique() > 1 else ()))
    made = tuple(family(marks.assign(x=marks[f"x{place}"]), _CONDITIONS, told) for _, place in _PANELS)
    better = 1 if chosen.direction == "maximize" else -1
    quantity = Quantity(
        chosen.name, f"mean {split} {chosen.title}", chosen.unit, better, (), chosen.change_unit, "dense"
    )
    ends = extents.of_y(made[0].curves, quantity, limits("ylim", ylim))
    return SeveralSizes(dataset, model, chosen, quantity, made, ends)


def _sums(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Of each curve of each seed, and of each count of its sizes, what a mark is made of."""
    curves = [same for _, same in selection.groups(rows, OF_A_MODE)]
    shared = set.intersection(*(set(_budgets(same)) for same in curves))
    for _, seed in (one for same in curves for one in same[_budgets(same).isin(shared)].groupby("seed")):
        if 1 < len(shared) == len(seed):
            yield from _counted(seed.sort_values(["density", "run_id"], ascending=[False, True]))


def _budgets(rows: pd.DataFrame) -> pd.Series[Any]:
    return pd.Series(list(rows[list(frames.BUDGET)].itertuples(index=False, name=None)), rows.index, dtype=object)


def _counted(rows: pd.DataFrame) -> Iterator[dict[str, object]]:
    """One mark for the mildest, one for the two mildest, and so on to all."""
    training = float(rows["ledger.dense.flop"].max())
    first = rows.iloc[0]
    for count in range(1, len(rows) + 1):
        part = rows.iloc[:count]
        took = of_all_sizes(part)
        yield {
            **{name: first[name] for name in _CONDITIONS},
            "seed": first["seed"],
            frames.BUDGET[0]: _SIZES,
            frames.BUDGET[1]: float(count),
            "moment": "after",
            "doubtful": False,
            "run_id": " ".join(part["run_id"]),
            "y": part["y"].mean(),
            "dense": part["dense"].mean(),
            **{f"x{place}": took[place] / training for _, place in _PANELS},
        }


def rows(made: SeveralSizes) -> Iterator[CsvRow]:
    """One mark of one panel: so many sizes, their mean score over seeds, and what they took."""
    for (heading, _), panel in zip(_PANELS, made.panels, strict=True):
        for curve in panel.curves:
            for mark in curve.marks:
                yield {
                    "data": made.data,
                    "model": made.model,
                    "metric": made.metric.name,
                    "panel": heading,
                    "curve": curve.told,
                    "conditions": joined(curve.conditions),
                    "sizes": mark.budget.partition("=")[2],
                    "dense_trainings": mark.x,
                    **range_columns("y", mark.y),
                    "runs": " ".join(mark.runs),
                }


def caption(made: SeveralSizes) -> str:
    sizes = extent(len(curve.marks) for curve in made.curves)
    title = f"{made.quantity.title[0].upper()}{made.quantity.title[1:]}"
    what = (
        f"{title} of pruned networks of several sizes, against the FLOP that train them all. The first mark of a curve "
        f"is of the mildest size, the next of the two mildest, and so on to all {sizes}. The dense network is trained "
        "once for all sizes; it is to be charged to networks from scratch, too, where pruning chose their "
        "architecture. FLOP of pruned weights are not counted."
    )
    parts = [
        what,
        over_seeds(made.curves),
        "Dotted: the dense networks.",
        *extents.left_out(made.curves, made.quantity, (0.0, math.inf), made.y),
    ]
    return " ".join(filter(None, (*parts, unsaid((*made.panels[0].colours, *made.panels[0].styles)))))


def draw(made: SeveralSizes) -> Figure:
    first = made.panels[0]
    entries = levels.legend(first.colours, first.styles)
    title, names = display_subject(made.model, made.data), [name for name, _ in entries]
    figure, page = ink.paper(title, len(made.panels), [names], caption(made), heading=5.6, between=6.5)
    for place, (panel, (heading, _)) in enumerate(zip(made.panels, _PANELS, strict=True)):
        axes = ink.panel(figure, page, place, made.quantity.label)
        figure.text(page.box(place)[0], page.over(place, 0.7), heading, color=FAINT)
        _panel(axes, made, panel)
        axes.set_xlabel("compute / training of the dense network")
        ink.below(axes, page, place, "compute / training of the dense network", entries)
    return figure


def _panel(axes: Axes, made: SeveralSizes, panel: CurveSet) -> None:
    reach = axis.span([mark.x for curve in panel.curves for mark in curve.marks], "linear")
    axis.put_x(axes, reach)
    axes.set_ylim(*(reversed(made.y) if made.quantity.better < 0 else made.y))  # the better is up
    axis.put_y(axes, None)
    axis.put_numbers(axes, reach)
    for dense in {curve.dense for curve in panel.curves if curve.dense is not None}:
        ink.dotted(axes, dense, FAINT)
    for curve in panel.curves:
        look = levels.line(panel.colours, panel.styles, curve.colour, curve.style, dashed=False)
        ink.means(axes, look, [mark.x for mark in curve.marks], [mark.y for mark in curve.marks])
        beyond = [mark.x for mark in curve.marks if extents.beyond(made.quantity, made.y, mark)]
        ink.at_edge(axes, look, beyond, [0.014] * len(beyond))
