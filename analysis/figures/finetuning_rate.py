"""What fine-tuned networks are ahead of networks from scratch by, against the learning rate of fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from analysis.drawing import axes as axis
from analysis.drawing import ink, levels
from analysis.drawing.style import FAINT, GRID, Line
from analysis.names import display_subject, extent
from analysis.publishing.numbers import CsvRow, interval_columns, spread_columns
from analysis.records.frames import Split
from analysis.statistics import finetuning, inference, scoring, selection, test_sets
from analysis.statistics.conditions import joined
from analysis.statistics.finetuning import RateLine, RateMark
from analysis.statistics.quantities import limits
from pruneexp.errors import UserError
from pruneexp.schema import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LACKING = (
    "no mask is logged both fine-tuned at several learning rates and trained from scratch: "
    "mode=prune,scratch_e,scratch_b retrain.lr_factor=0.01,0.1,1 makes them, each combination a job."
)
#: Marks of one rate stand side by side, each at so many times the rate of the one before.
_APART = 1.05


class FinetuningRate(NamedTuple):
    """Everything in the picture; ``y`` are the ends of its axis."""

    data: str
    model: str
    split: Split
    metric: Metric
    lines: tuple[RateLine, ...]
    y: tuple[float, float]
    test_set: str

    @property
    def marks(self) -> tuple[RateMark, ...]:
        """Those of all lines."""
        return tuple(mark for line in self.lines for mark in line.marks)


def data(
    frame: pd.DataFrame,
    *,
    split: Annotated[Split, "the split that scores are compared on"] = "test",
    margin: Annotated[float, inference.MARGIN_HELP] = 0.0,
    ylim: Annotated[str, "ends of the y axis, as LOW:HIGH"] = "",
) -> FinetuningRate:
    """A line for each budget and set of conditions, against each way to train from scratch.

    Raises:
        UserError: nothing can be compared, or at one rate alone, or several networks or data sets are logged.
    """
    dataset, model = selection.one_subject(frame, "figure", _LACKING)
    metric = scoring.primary(frame)
    made = finetuning.lines(frame, metric, split, margin)
    marks = [mark for line in made for mark in line.marks]
    if len({mark.rate for mark in marks}) < 2:
        raise UserError(_LACKING)
    used = {run for mark in marks for run in mark.runs}
    note = test_sets.note(frame[frame["run_id"].isin(used)], metric, split)
    return FinetuningRate(dataset, model, split, metric, made, limits("ylim", ylim) or _ends(marks), note)


def _ends(marks: Sequence[RateMark]) -> tuple[float, float]:
    """The ends of an axis with all intervals and the margin on it."""
    wide = 1.2 * marks[0].ahead.margin
    ends = [end for mark in marks for end in (mark.ahead.mean, mark.ahead.low, mark.ahead.high) if end is not None]
    low, high = min(-wide, *ends), max(wide, *ends)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def rows(made: FinetuningRate) -> Iterator[CsvRow]:
    """One mark: the scores of both sides, and the difference, positive where fine-tuned networks are better."""
    for line in made.lines:
        for mark in line.marks:
            of = mark.ahead
            yield {
                "data": made.data,
                "model": made.model,
                "metric": made.metric.name,
                "against": line.scratch,
                "line": line.label,
                "conditions": joined(line.conditions),
                "budget": line.budget,
                "density": line.density,
                "retrain_lr_factor": mark.rate,
                **spread_columns("tuned", mark.tuned),
                **spread_columns("fresh", mark.fresh),
                "n": of.n,
                **interval_columns("difference", of),
                "p": of.p,
                "p_equivalent": of.p_equivalent,
                "margin": of.margin,
                "verdict": of.verdict,
                "runs": " ".join(mark.runs),
            }


def caption(made: FinetuningRate) -> str:
    counts = extent(mark.ahead.n for mark in made.marks)
    margin = scoring.amount(made.metric, made.marks[0].ahead.margin)
    what = (
        f"What fine-tuned networks are ahead of those from scratch by, in {made.metric.change_unit} of {made.split} "
        f"{made.metric.title}, against the first learning rate of fine-tuning as a multiple of that of training. The "
        f"masks are the same, the differences paired by seed: mean over n = {counts}, and 95 % "
        f"interval. Grey: within ±{margin}, which counts for nothing. Full marks: better, worse, or surely within "
        f"the grey (t tests, 5 %, Holm over {len(made.marks)} marks); hollow: not settled."
    )
    return " ".join(filter(None, (what, made.test_set)))


def draw(made: FinetuningRate) -> Figure:
    ways, labels = (list(dict.fromkeys(each)) for each in
                    zip(*((line.scratch, line.label) for line in made.lines), strict=True))  # fmt: skip
    title = display_subject(made.model, made.data)
    figure, page = ink.paper(title, len(ways), [labels], caption(made), heading=5.6, between=6.5)
    looks = {label: levels.line(labels, (), label, "", dashed=False) for label in labels}
    for place, way in enumerate(ways):
        axes = ink.panel(figure, page, place, f"fine-tuned ahead by, {made.metric.change_unit}")
        figure.text(page.box(place)[0], page.over(place, 0.7), f"against {way}", color=FAINT)
        _panel(axes, made, [line for line in made.lines if line.scratch == way], looks)
        ink.below(axes, page, place, "rate of fine-tuning / of training", list(looks.items()))
    return figure


def _panel(axes: Axes, made: FinetuningRate, lines: Sequence[RateLine], looks: dict[str, Line]) -> None:
    aside = _APART ** ((len(lines) - 1) / 2.0)
    reach = axis.span([mark.rate * shift for mark in made.marks for shift in (1.0 / aside, aside)], "log")
    axis.put_x(axes, reach)
    axes.set_ylim(*made.y)
    axis.put_y(axes, scoring.signed)
    axis.put_numbers(axes, reach)
    margin = made.marks[0].ahead.margin
    axes.axhspan(-margin, margin, color=GRID, zorder=0.5)
    for number, line in enumerate(lines):
        look, shift = looks[line.label], _APART ** (number - (len(lines) - 1) / 2.0)
        points = [(mark.rate * shift, mark.ahead) for mark in line.marks]
        for x, of in points:
            if of.low is not None and of.high is not None:
                ink.band(axes, look, [x], [of.low], [of.high])
        ink.curve(axes, look._replace(marker=""), [x for x, _ in points], [of.mean for _, of in points])
        for settled in (True, False):
            shown = [(x, of.mean) for x, of in points if of.verdict.startswith("no") != settled]
            mark = look._replace(stroked=False, filled=settled)
            ink.curve(axes, mark, [x for x, _ in shown], [y for _, y in shown])
