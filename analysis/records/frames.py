"""Trade-off points as one tidy pandas frame: a row per point, derived columns.

Pure: knows neither the store the points came from nor what will be drawn. Column names are those of the records
(``pruneexp.schema.flatten``), and beside them

    run_id, experiment, started    where the point was logged
    key                            the hash of its whole configuration
    collapsed                      the layers kept from losing their last weight, as a JSON list
    disconnected                   whether the network gives the same outputs for every image of val
    undefined                      on how many images logits are no numbers, in words; empty where on none
    pruned                         percent of the prunable weights that are gone
    compression                    dense / kept weights
    SPLIT.change_WHEN.METRIC       accuracy minus that of the dense network of the same seed, in points (a loss is
                                   negative): val or test, before or after (retraining), top1 or top5
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from pruneexp.schema import REPEATED, columns
from pruneexp.schema.columns import IDENTITY, LoggedPoint

Split = Literal["test", "val"]
_SLACK = 1e-9  # of a number: 3 * 1e-5 and 3e-5 differ in their last bit

SUBJECT = ("data", "model")
BUDGET = ("budget.kind", "budget.value")
#: What may differ between two curves of one network and data set; runs that differ in seed alone are repetitions.
CONDITIONS = tuple(name for name in IDENTITY if name not in (*SUBJECT, "mode", *BUDGET, *REPEATED))


class Kind(NamedTuple):
    """What the rows of a frame were made from: one ``name`` of it, and what tells it from others.

    ``identity`` are the columns to choose by; records that agree in all ``settings`` are one, logged again.
    """

    name: str
    identity: tuple[str, ...]
    settings: tuple[str, ...]


POINTS = Kind("point", IDENTITY, (*SUBJECT, "mode", *CONDITIONS, *BUDGET, "seed"))


def frame(points: pa.Table | Iterable[LoggedPoint]) -> pd.DataFrame:
    """All points, one row each, sorted by what they are, so that the order of logging changes nothing.

    What is absent is NaN, also where every point lacks it.
    """
    table = points if isinstance(points, pa.Table) else columns.table(points)
    made: pd.DataFrame = table.to_pandas()
    made = made.sort_values([*SUBJECT, "mode", *CONDITIONS, *BUDGET, "seed", "started", "run_id"], ignore_index=True)
    derived = {"key": made["point_key"], "pruned": 100.0 * (1.0 - made["density"])}
    derived["compression"] = made["weights_total"] / made["weights_kept"]
    for split in typing.get_args(Split):
        for when in ("before", "after"):
            for metric in ("top1", "top5"):
                change = made[f"{split}.{when}.{metric}"] - made[f"{split}.dense.{metric}"]
                derived[f"{split}.change_{when}.{metric}"] = change
    return made.assign(**derived)
