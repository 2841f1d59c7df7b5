"""The moments at which a pruned network is looked at: before retraining, after it, and after rounds of both.

Knows neither how a curve is drawn nor which paper it is compared with.
"""

from __future__ import annotations

import pandas as pd

from analysis.records import frames
from analysis.records.frames import Split
from analysis.statistics import selection
from analysis.statistics.doubts import doubtful

#: What has no say in a network that has not been retrained yet.
_RETRAINING = ("retrain_scope", "retrain_epochs", "retrain_lr_factor", "retrain_schedule", "reg_retrain_strength")


def of_curves(points: pd.DataFrame, split: Split, metric: str) -> pd.DataFrame:
    """A row per point and ``moment``, with its ``change``, ``value`` and ``doubtful``, and only what curves need."""
    single = points["schedule"] == "one_shot"
    before = _before_retraining(points[single]).assign(moment="before")
    after = points.assign(moment=single.map({True: "after", False: "rounds"}))
    parts = [
        part.assign(
            change=part[f"{split}.change_{when}.{metric}"],
            value=part[f"{split}.{when}.{metric}"],
            doubtful=doubtful(part, split, when),
        )
        for part, when in ((before, "before"), (after, "after"))
    ]
    needed = ["moment", *frames.CONDITIONS, *frames.BUDGET, "pruned", "change", "value", "doubtful", "run_id"]
    return pd.concat([part[needed] for part in parts], ignore_index=True).dropna(subset=["change"])


def _before_retraining(points: pd.DataFrame) -> pd.DataFrame:
    """Each network once, as pruning left it: settings that cut the same networks and differ in retraining are one.

    So are "L1 then L2" and L1. One way cuts the same networks as another where they share a single one: its key covers
    everything that came before, but for the seed and the budget. What it is told by is that of the first of them.
    """
    rows = points.assign(reg=points["reg"].replace("l1_then_l2", "l1"), **dict.fromkeys(_RETRAINING))
    told = [name for name in frames.CONDITIONS if name not in _RETRAINING]
    way = rows.groupby(told, dropna=False).ngroup()
    alike = way
    while True:
        lowest = alike.groupby(rows["mask_key"]).transform("min").groupby(way).transform("min")
        if lowest.equals(alike):
            break
        alike = lowest
    first = rows.loc[way.drop_duplicates().sort_values().index, told].set_axis(range(way.nunique()))
    rows[told] = first.loc[alike].set_axis(rows.index)
    return selection.latest(rows)
