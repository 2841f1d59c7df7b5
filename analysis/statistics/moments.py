"""The moments at which a pruned network is looked at: before retraining, after it, and after rounds of both.

Knows neither how a curve is drawn nor which paper it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.records import frames
from analysis.statistics.conditions import RETRAINING
from analysis.statistics.doubts import doubtful
from analysis.statistics.quantities import Quantity

#: What curves of the same networks may differ in and be one; not what a reader has asked to see apart.
_MERGED = ("mode", *frames.CONDITIONS)


def of_curves(points: pd.DataFrame, x: str, y: Quantity, split: str, conditions: Sequence[str]) -> pd.DataFrame:
    """A row per point and ``moment``, with its ``x``, ``y``, ``dense`` and ``doubtful``, and what curves need.

    ``conditions`` are the columns that tell curves from each other. Where y has values before retraining, those of
    one-shot pruning are a moment of their own: in later rounds the network has been retrained before.
    """
    single = points["schedule"] == "one_shot"
    parts = []
    for when, column in y.columns:
        rows = points.assign(moment=single.map({True: "after", False: "rounds"}))
        if when == "before":
            rows = before_retraining(points[single & points[column].notna()], conditions).assign(moment="before")
        parts.append(
            rows.assign(
                x=rows[x],
                y=rows[column],
                dense=rows[y.dense] if y.dense else math.nan,
                doubtful=_doubts(rows, split, when),
            )
        )
    needed = list(dict.fromkeys(["moment", *conditions, *frames.BUDGET, "x", "y", "dense", "doubtful", "run_id"]))
    return pd.concat([part[needed] for part in parts], ignore_index=True).dropna(subset=["x", "y"])


def before_retraining(points: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """Each network once, as pruning left it: settings that cut the same networks and differ in retraining are one.

    So are "L1 then L2" and L1. One way cuts the same networks as another where they share a single one: its key covers
    everything that came before, but for the seed and the budget. What it is told by is that of the first of them.
    """
    absent = {name: None for name in RETRAINING if name in points}
    rows = points.assign(reg=points["reg"].replace("l1_then_l2", "l1"), **absent)
    told = [name for name in conditions if name not in RETRAINING]
    apart = [name for name in told if name not in _MERGED]
    way = rows.groupby(told, dropna=False).ngroup()
    network = rows.groupby(["mask_key", *apart], dropna=False).ngroup()
    alike = way
    while True:
        lowest = alike.groupby(network).transform("min").groupby(way).transform("min")
        if lowest.equals(alike):
            break
        alike = lowest
    first = rows.loc[way.drop_duplicates().sort_values().index, told].set_axis(range(way.nunique()))
    rows[told] = first.loc[alike].set_axis(rows.index)
    return _last(rows, [*told, *frames.BUDGET, "seed"])


def _last(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Of rows that agree in these, the one logged last."""
    if rows.empty:
        return rows
    return rows.sort_values(["started", "run_id"]).groupby(by, dropna=False).tail(1).sort_index()


def _doubts(rows: pd.DataFrame, split: str, when: str) -> pd.Series[bool]:
    known = f"{split}.{when}.undefined" in rows
    return doubtful(rows, split, when) if known else pd.Series(False, index=rows.index)
