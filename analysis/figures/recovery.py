"""Share of the lost score that is back after each epoch of retraining: a line for each budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from analysis.drawing.lines import LineAxes, Plotted, lined
from analysis.names import display_subject, extent
from analysis.publishing.numbers import CsvRow
from analysis.records import frames
from analysis.statistics import scoring, selection
from analysis.statistics.conditions import joined, telling, texts, words
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import compare
from analysis.statistics.one_budget import NO_COURSES
from pruneexp.errors import UserError
from pruneexp.schema import Metric, change_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_OF = "courses"

#: Of a smaller loss, in points or per cent, a share says nothing: the answer to one example may be much of it.
_LEAST = 1.0


class SharesBack(NamedTuple):
    """One budget of one curve: by epoch the share of the loss that is back, in percent, of each seed."""

    curve: str
    conditions: tuple[tuple[str, str], ...]
    budget: str
    shares: tuple[tuple[int, tuple[float, ...]], ...]
    runs: tuple[str, ...]


class Recovery(NamedTuple):
    """The curves of one network; ``slight`` are budgets that lose too little to have shares."""

    data: str
    model: str
    metric: Metric
    lines: tuple[SharesBack, ...]
    slight: tuple[str, ...]


def data(frame: pd.DataFrame) -> Recovery:
    """Every curve and budget whose points tell their scores by epoch.

    Raises:
        UserError: there is none, there are several networks, data sets or primary metrics, or nothing was lost.
    """
    dataset, model = selection.one_subject(frame, "figure", NO_COURSES)
    metric, names = scoring.primary(frame), ("mode", *frames.CONDITIONS)
    told = telling(selection.combinations(frame, names), names)
    lines, slight = [], []
    for key, rows in selection.groups(frame, (*names, *frames.BUDGET)):
        lost = -scoring.gain(metric, rows[change_name("val", "before", metric.name)])
        if (lost >= _LEAST).all():
            lines.append(_shares(key, rows, metric, words(key, told)))
        else:
            slight.append(", ".join(filter(None, (words(key, told), _budget(key)))))
    if not lines:
        least = scoring.amount(metric, _LEAST)
        raise UserError(f"before retraining none of these networks loses {least} on val, so that nothing comes back.")
    return Recovery(dataset, model, metric, tuple(lines), tuple(slight))


def _budget(key: dict[str, Any]) -> str:
    return budget_text(*(key[name] for name in frames.BUDGET))


def _shares(key: dict[str, Any], rows: pd.DataFrame, metric: Metric, label: str) -> SharesBack:
    courses = [dict(course) for course in rows["course"]]
    shared = sorted(set(courses[0]).intersection(*courses[1:]))
    several = (key["rounds"] or 1) > 1  # the last round's epochs alone follow the cut that the loss is of
    start = max(0, shared[-1] - int(key["retrain_epochs"] or 0)) if several else 0
    ends = list(zip(rows[f"val.before.{metric.name}"], rows[f"val.dense.{metric.name}"], strict=True))
    shares = [(epoch - start, tuple(100.0 * (course[epoch] - before) / (dense - before)
                                    for course, (before, dense) in zip(courses, ends, strict=True)))
              for epoch in shared if epoch > start]  # fmt: skip
    found = ((0, (0.0,) * len(courses)), *shares)
    return SharesBack(label, texts(key, [name for name in key if name not in frames.BUDGET]), _budget(key), found,
                      tuple(sorted(rows["run_id"])))  # fmt: skip


def rows(made: Recovery) -> Iterator[CsvRow]:
    """One epoch at one budget: its shares over ``n`` seeds, with the 95 % interval of their mean."""
    for line in made.lines:
        for epoch, shares in line.shares:
            of = compare(shares, margin=1.0)
            yield {
                "data": made.data,
                "model": made.model,
                "curve": line.curve,
                "conditions": joined(line.conditions),
                "budget": line.budget,
                "metric": made.metric.name,
                "epoch": epoch,
                "share_mean": of.mean,
                "share_std": of.std,
                "share_min": min(shares),
                "share_max": max(shares),
                "share_low": of.low,
                "share_high": of.high,
                "n": of.n,
                "runs": " ".join(line.runs),
            }


def caption(made: Recovery) -> str:
    counts = {len(line.runs) for line in made.lines}
    seeds = f"Lines: mean over {extent(counts)} seeds; bands: its 95 % interval, as far as the axis goes."
    least = f"lose less than {scoring.amount(made.metric, _LEAST)}"
    return (
        f"Share of what pruning took from the {made.metric.title} on val that is back after so many epochs of "
        f"retraining: 0 % is the network as it was cut, 100 % (dotted) the dense network of the same seed. "
        + (seeds if counts != {1} else "One seed.")
        + (f" Left out, because some networks {least}: {'; '.join(made.slight)}." if made.slight else "")
    )


def draw(made: Recovery) -> Figure:
    every = [0.0, 100.0, *(share for line in made.lines for _, shares in line.shares for share in shares)]
    room = 0.05 * (max(every) - min(every))
    axes = LineAxes("epoch of retraining", "lost score that is back, %", across=(100.0,),
                    ends=(min(every) - room, max(every) + room))  # fmt: skip
    return lined(display_subject(made.model, made.data), list(map(_plotted, made.lines)), axes, caption(made))


def _plotted(line: SharesBack) -> Plotted:
    found = [compare(shares, margin=1.0) for _, shares in line.shares]
    low, high = (tuple(each.mean if end is None else end for each, end in zip(found, ends, strict=True))
                 for ends in ([each.low for each in found], [each.high for each in found]))  # fmt: skip
    return Plotted(line.curve, line.budget, False, tuple(float(epoch) for epoch, _ in line.shares),
                   tuple(each.mean for each in found), low, high)  # fmt: skip
