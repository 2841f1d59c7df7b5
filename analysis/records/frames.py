"""Trade-off points as one tidy pandas frame: a row per point, derived columns.

Pure: knows neither the store the points came from nor what will be drawn. Column names are those of the records
(``pruneexp.schema.flatten``), and beside them

    run_id, experiment, started    where the point was logged
    key                            the hash of its whole configuration
    collapsed                      the layers kept from losing their last weight, as a JSON list
    disconnected                   whether the network gives the same outputs for every image of val
    undefined                      on how many images logits are no numbers, in words; empty where on none
    targets                        predefined or discovered
    pruned                         percent of the prunable weights that are gone
    compression                    dense / kept weights
    speedup                        FLOP of products with dense / kept weights
    training_epochs, training_flop all training behind the point
    added_epochs, added_flop       the same without that of the dense network
    SPLIT.change_WHEN.METRIC       the metric against that of the dense network of the same seed, as ``Metric.change``
                                   measures it: val or test, before or after (retraining), top1, top5 or the primary
                                   metric of a point

Of other metrics, no record says what their changes are measured in.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from analysis.records.runs import RunKind
from pruneexp.schema import REPEATED, TOP1, TOP5, Metric, Retraining, change_name, columns
from pruneexp.schema.columns import IDENTITY, LoggedPoint

Split = Literal["test", "val"]
_SLACK = 1e-9  # of a number: 3 * 1e-5 and 3e-5 differ in their last bit

#: Larger values, as the perplexity of a network without sense has them, count as this one: means stay numbers.
LARGEST = 1e12
_OF_METRICS = ("metric.name", "metric.unit", "metric.direction")

SUBJECT = ("data", "model")
BUDGET = ("budget.kind", "budget.value")
#: What may differ between two curves of one network and data set; runs that differ in seed alone are repetitions.
CONDITIONS = tuple(name for name in IDENTITY if name not in (*SUBJECT, "mode", *BUDGET, *REPEATED))


class Kind(NamedTuple):
    """What the rows of a frame were made from: one ``name`` of it, and what tells it from others.

    ``identity`` are the columns to choose by; records that agree in all ``settings`` are one, logged again.
    """

    name: RunKind
    identity: tuple[str, ...]
    settings: tuple[str, ...]


POINTS = Kind("point", IDENTITY, (*SUBJECT, "mode", *CONDITIONS, *BUDGET, "seed"))


def frame(points: pa.Table | Iterable[LoggedPoint]) -> pd.DataFrame:
    """All points, one row each, sorted by what they are, so that the order of logging changes nothing.

    What is absent is NaN, also where every point lacks it.
    """
    table = points if isinstance(points, pa.Table) else columns.table(points)
    made: pd.DataFrame = table.to_pandas()
    more = columns.other_numbers(made.columns)
    made[more] = made[more].clip(-LARGEST, LARGEST)
    made = made.sort_values([*SUBJECT, "mode", *CONDITIONS, *BUDGET, "seed", "started", "run_id"], ignore_index=True)
    derived = {"key": made["point_key"], "pruned": 100.0 * (1.0 - made["density"])}
    derived["compression"] = made["weights_total"] / made["weights_kept"]
    derived["speedup"] = made["flop_dense"] / made["flop_weights"]
    for unit in ("epochs", "flop"):
        added = made[[f"ledger.{kind}.{unit}" for kind in ("prune", "retrain", "scratch")]].sum(axis=1)
        derived |= {f"added_{unit}": added, f"training_{unit}": added + made[f"ledger.dense.{unit}"]}
    for split in typing.get_args(Split):
        for when in ("before", "after"):
            found = with_changes(made, f"{split}.dense.{{}}", f"{split}.{when}.{{}}", change_name(split, when, "{}"))
            derived |= found
    return made.assign(**derived)


def with_changes(rows: pd.DataFrame, dense: str, after: str, change: str) -> dict[str, pd.Series]:
    """Columns with the changes of top-1, of top-5 and of the primary metric of each row.

    ``dense`` and ``after`` are the names of the columns with the values, with ``{}`` for the metric; ``change`` is that
    of the new one.
    """
    made: dict[str, pd.Series] = {}
    for metric in dict.fromkeys((TOP1, TOP5, *primaries(rows))):
        name, values = change.format(metric.name), (rows[each.format(metric.name)] for each in (dense, after))
        found = changes(metric, *values)
        made[name] = found.where(judged_by(rows, metric), made[name]) if name in made else found
    return made


def primaries(rows: pd.DataFrame) -> list[Metric]:
    """The metrics that rows are judged by."""
    told = rows[list(_OF_METRICS)].drop_duplicates().itertuples(index=False, name=None)
    return [TOP1 if pd.isna(name) else Metric(name, unit, direction) for name, unit, direction in told]


def judged_by(rows: pd.DataFrame, metric: Metric) -> pd.Series[bool]:
    """Whether this is the primary metric of each row."""
    given = zip(_OF_METRICS, (metric.name, metric.unit, metric.direction), strict=True)
    same = pd.concat([rows[column] == value for column, value in given], axis=1).all(axis=1)
    return same | rows["metric.name"].isna() if metric == TOP1 else same


def changes(metric: Metric, dense: pd.Series, after: pd.Series) -> pd.Series:
    """``Metric.change`` of each row."""
    if metric.unit == "%":
        return after - dense
    return (100.0 * (after - dense) / dense.abs().mask(dense == 0.0)).clip(-LARGEST, LARGEST)


def with_courses(points: pd.DataFrame, found: Mapping[str, Mapping[int, float]]) -> pd.DataFrame:
    """Those of the points that have a course, values by epoch, as pairs in ``course``; ``found`` by run id."""
    kept = points[points["run_id"].isin(found)].reset_index(drop=True)
    return kept.assign(course=kept["run_id"].map(lambda run_id: tuple(found[run_id].items())))


def with_retrainings(points: pd.DataFrame, found: Mapping[str, Retraining]) -> pd.DataFrame:
    """Those of the points of which there is what retraining did, in ``retraining``; ``found`` by run id."""
    kept = points[points["run_id"].isin(found)].reset_index(drop=True)
    return kept.assign(retraining=kept["run_id"].map(found))
