"""Fine-tuned networks against networks from scratch under the same masks, at each learning rate of fine-tuning.

Knows the columns of points, and no figure or table. What is from scratch has no learning rate of fine-tuning, so that
it is compared with the networks of every rate, whichever it was logged with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import inference, scoring, selection, test_sets
from analysis.statistics.conditions import telling, texts, words
from analysis.statistics.curves import budget_text
from analysis.statistics.inference import Comparison
from analysis.statistics.modes import MODES
from pruneexp.schema import OF_A_MODE, Metric
from pruneexp.summary.spread import Spread, spread

RATE = "retrain_lr_factor"
#: Of fine-tuning alone: of the hash, only what no condition has a name for is told.
_TUNING = (RATE, "prune_settings")
_ALIKE = tuple(name for name in frames.CONDITIONS if name not in (*OF_A_MODE, *_TUNING))
_LINE = (*_ALIKE, "prune_settings")
_NAMED = tuple(f"retrain {name}" for name in ("lr factor", "epochs", "schedule", "scope"))
_FRESH = {name: f"{name}_fresh" for name in OF_A_MODE}


class RateMark(NamedTuple):
    """One rate: the scores of both, and what fine-tuned networks are ahead by, paired by seed."""

    rate: float
    tuned: Spread
    fresh: Spread
    ahead: Comparison
    runs: tuple[str, ...]


class RateLine(NamedTuple):
    """One budget under one set of conditions, against one way to train from scratch."""

    scratch: str
    label: str
    budget: str
    density: float
    conditions: tuple[tuple[str, str], ...]
    marks: tuple[RateMark, ...]


def lines(points: pd.DataFrame, metric: Metric, split: Split, margin: float) -> tuple[RateLine, ...]:
    """Every line of one network on one data set, the densest first, with verdicts that all marks have together."""
    both = _paired(points, metric, split)
    if both.empty:
        return ()
    bound = test_sets.margin(both, margin)
    found = list(selection.groups(both, (*frames.BUDGET, *_LINE, *_FRESH.values())))
    told = telling([key for key, _ in found], _LINE)
    ways = [{name: key[fresh] for name, fresh in _FRESH.items()} for key, _ in found]
    switches = dict.fromkeys(("mode", *telling(ways, OF_A_MODE)))
    made = [_line(key, rows, words(way, switches), told, metric, bound)
            for (key, rows), way in zip(found, ways, strict=True)]  # fmt: skip
    order = [list(MODES).index(way["mode"]) if way["mode"] in MODES else len(MODES) for way in ways]
    placed = sorted(zip(order, made, strict=True), key=lambda item: (item[0], item[1].scratch, -item[1].density,
                                                                     item[1].label))  # fmt: skip
    marks = iter(inference.together([mark for _, line in placed for mark in line.marks], "ahead"))
    return tuple(line._replace(marks=tuple(next(marks) for _ in line.marks)) for _, line in placed)


def _paired(points: pd.DataFrame, metric: Metric, split: Split) -> pd.DataFrame:
    """A row for each fine-tuned network and each from scratch under its mask; columns of the latter end in _fresh."""
    known = points.assign(score=points[f"{split}.after.{metric.name}"]).dropna(subset=["score"])
    known["prune_settings"] = [_unnamed(str(told)) for told in known["prune_settings"]]
    mask = [*frames.SUBJECT, *frames.BUDGET, *_ALIKE, "seed", "mask_key"]
    fresh = known[known["mode"].str.startswith("scratch")].drop_duplicates([*mask, "final_key"])
    columns = [*mask, *OF_A_MODE, "score", "run_id"]
    return known[known["mode"] == "prune"].merge(fresh[columns], on=mask, suffixes=("", "_fresh"))


def _unnamed(told: str) -> str:
    """Of the words that stand for a hash, those on what has no name among the conditions; none of a plain hash."""
    return ", ".join(part for part in told.split(", ") if " " in part and not part.startswith(_NAMED))


def _line(
    key: Mapping[str, Any], rows: pd.DataFrame, scratch: str, told: Sequence[str], metric: Metric, margin: float
) -> RateLine:
    budget = budget_text(*(key[name] for name in frames.BUDGET))
    marks = (_mark(float(at[RATE]), same, metric, margin) for at, same in selection.groups(rows, (RATE,)))
    label = ", ".join(filter(None, (budget, words(key, told))))
    return RateLine(scratch, label, budget, float(rows["density_scope"].mean()), texts(key, _LINE), tuple(marks))


def _mark(rate: float, rows: pd.DataFrame, metric: Metric, margin: float) -> RateMark:
    gains = scoring.gain(metric, frames.changes(metric, rows["score_fresh"], rows["score"]))
    return RateMark(
        rate=rate,
        tuned=spread(rows["score"]),
        fresh=spread(rows["score_fresh"]),
        ahead=inference.compare(list(gains), margin),
        runs=tuple(sorted({*rows["run_id"], *rows["run_id_fresh"]})),
    )
