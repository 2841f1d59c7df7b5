"""What was measured of points, beside them: as columns of their frame, or as a frame with a row per point and form.

Pure, as ``frames`` is. The columns of points are

    latency/FORM.batchN, step/FORM    medians in milliseconds
    memory/FORM.batchN                the peak in bytes
    units/WHICH.before, .after        means of the magnitudes of kept weights, by the units they are of
    units/WHICH.weights                 how many these are
    machine                           what they are of: processor, threads, version of torch
    stability/...                     what ``python -m pruneexp.stability`` found, by the names of its metrics

and those of the long frame, beside the columns of points, ``form``, ``batch`` (0 for a step of training), ``median``,
``low``, ``high``, ``memory``, ``size``, ``machine`` and ``others`` (``pruneexp.schema.MeasuredPoint``).
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from pruneexp.schema import MeasuredPoint

#: Beginnings of the names of columns that a measurement gives.
MEASURED = ("latency/", "memory/", "step/")
#: The beginning of the names of those that are the same on every machine.
UNITS = "units/"
STABILITY = "stability/"
_LONG = ("run_id", "form", "batch", "median", "low", "high", "memory", "size", "machine", "others")


def beside(points: pd.DataFrame, found: Mapping[str, MeasuredPoint]) -> pd.DataFrame:
    """The points with the columns of their measurements, by run; without a new column where none was measured."""
    rows = [{"run_id": run_id, "machine": one.machine, **_numbers(one)} for run_id, one in found.items()]
    if not rows:
        return points
    made = points.merge(pd.DataFrame(rows), on="run_id", how="left")
    new = sorted(name for name in made.columns if name.startswith((*MEASURED, UNITS)))
    return made[[*points.columns, "machine", *new]]


def _numbers(one: MeasuredPoint) -> dict[str, float]:
    numbers = {f"{'step' if each.batch is None else 'latency'}/{each.name}": each.median for each in one.forms}
    numbers |= {f"{UNITS}{each.which}.{name}": float(getattr(each, name))
                for each in one.units for name in ("weights", "before", "after")}  # fmt: skip
    return numbers | {f"memory/{each.name}": float(each.memory) for each in one.forms if each.memory is not None}


def with_stability(points: pd.DataFrame, found: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """The points with the numbers of those that were compared, by run; without a new column where none was."""
    if not found:
        return points
    return points.join(pd.DataFrame.from_dict(dict(found), orient="index").sort_index(axis=1), on="run_id")


def forms(points: pd.DataFrame, found: Mapping[str, MeasuredPoint]) -> pd.DataFrame:
    """A row for each form and batch of the points that were measured, in the order in which they were."""
    rows = [
        (run_id, each.form, each.batch or 0, each.median, each.low, each.high, each.memory,
         None if each.batch is None else one.sizes.get(each.form), one.machine, one.others)
        for run_id, one in found.items() for each in one.forms
    ]  # fmt: skip
    return points.merge(pd.DataFrame(rows, columns=list(_LONG)), on="run_id", how="inner")
