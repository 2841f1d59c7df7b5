"""Loss on train and val along the line from the network before retraining to the one after it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from analysis.drawing.lines import LineAxes, Plotted, lined
from analysis.names import display_subject, extent
from analysis.publishing.numbers import CsvRow
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import joined, telling, texts, words
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError
from pruneexp.schema import Retraining
from pruneexp.summary.spread import Spread, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_OF = "retrainings"

_LACKING = "no point has losses between before and after: `python -m pruneexp.retraining CONDITION...` computes them."
_SPLITS = ("train", "val")


class LossPath(NamedTuple):
    """One budget of one curve on one split: the loss over seeds at each place that all of them have."""

    curve: str
    conditions: tuple[tuple[str, str], ...]
    budget: str
    split: str
    losses: tuple[tuple[float, Spread], ...]
    runs: tuple[str, ...]


class LossLine(NamedTuple):
    """The curves of one network; train is seen by so many ``examples``, ``batchnorm`` as ``Retraining`` has it."""

    data: str
    model: str
    paths: tuple[LossPath, ...]
    examples: int
    batchnorm: bool


def data(frame: pd.DataFrame) -> LossLine:
    """Every curve and budget of which it is known what retraining did.

    Raises:
        UserError: there is none, none has a finite loss, or there are several networks or data sets.
    """
    dataset, model = selection.one_subject(frame, "figure", _LACKING)
    names = ("mode", *frames.CONDITIONS)
    told = telling(selection.combinations(frame, names), names)
    found = [path for key, rows in selection.groups(frame, (*names, *frames.BUDGET))
             for path in _paths(key, rows, words(key, told))]  # fmt: skip
    if not found:
        raise UserError("no place on the line has a loss that is a finite number over all seeds.")
    known: list[Retraining] = list(frame["retraining"])
    examples, batchnorm = max(each.examples for each in known), any(each.batchnorm for each in known)
    return LossLine(dataset, model, tuple(found), examples, batchnorm)


def _paths(key: dict[str, Any], rows: pd.DataFrame, label: str) -> Iterator[LossPath]:
    conditions = texts(key, [name for name in key if name not in frames.BUDGET])
    budget, runs = budget_text(*(key[name] for name in frames.BUDGET)), tuple(sorted(rows["run_id"]))
    for split in _SPLITS:
        seeds = [{place.t: float(getattr(place, split)) for place in each.line} for each in rows["retraining"]]
        shared = sorted(set(seeds[0]).intersection(*seeds[1:]))
        losses = ((t, [seed[t] for seed in seeds]) for t in shared)
        finite = tuple((t, spread(values)) for t, values in losses if all(map(math.isfinite, values)))
        if finite:
            yield LossPath(label, conditions, budget, split, finite, runs)


def rows(made: LossLine) -> Iterator[CsvRow]:
    """The loss at one place, 0 before and 1 after retraining, over ``n`` seeds."""
    for path in made.paths:
        for t, of in path.losses:
            yield {
                "data": made.data,
                "model": made.model,
                "curve": path.curve,
                "conditions": joined(path.conditions),
                "budget": path.budget,
                "split": path.split,
                "t": t,
                **of._asdict(),
                "runs": " ".join(path.runs),
            }


def caption(made: LossLine) -> str:
    counts = {len(path.runs) for path in made.paths}
    over = f"Lines: mean over {extent(counts)} seeds; bands: from the lowest to the highest."
    seeds = "One seed." if counts == {1} else over
    return (
        "Loss of the task, without penalty and dropout, of the networks (1 − t) · before + t · after, on the mask that "
        f"both have: 0 is the network as it was cut, 1 the retrained one (dotted). {seeds} Train: "
        f"{made.examples:,} examples without augmentation."
        + " Statistics of batch normalisation are estimated anew on train at each place."
        * made.batchnorm
    )


def draw(made: LossLine) -> Figure:
    axes = LineAxes("t, from before (0) to after (1)", "loss", upright=(0.0, 1.0), log=True, strokes=_SPLITS)
    return lined(display_subject(made.model, made.data), list(map(_plotted, made.paths)), axes, caption(made))


def _plotted(path: LossPath) -> Plotted:
    x, of = zip(*path.losses, strict=True)
    return Plotted(path.curve, path.budget, path.split == "val", x, tuple(each.mean for each in of),
                   tuple(each.low for each in of), tuple(each.high for each in of))  # fmt: skip
