"""Measured numbers as an axis: of which form, at which batch and on which machine; which points are not measured.

Knows the columns of measurements (``analysis.records.measured_frames``), and neither a figure nor how they are timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from analysis.records.measured_frames import MEASURED
from pruneexp.errors import UserError, guess

#: The word for the fastest form that was measured of each point.
LATENCY = "latency"
#: Forms in which pruning changes no time, so that the fastest of them is what it is to be compared with.
_AS_DENSE = ("dense", "masked", "onnxruntime", "half")
#: What other forms are compared with, where it is not the dense network: that in their own program.
_WITHIN = {"removed_onnxruntime": "onnxruntime", "semi_structured": "half"}
_UNPRUNED = "latency, unpruned"
_WHAT = {"latency": "latency", "memory": "peak memory", "step": "training step"}


class MeasuredColumn(NamedTuple):
    """A column of measured numbers and its name for an axis.

    ``base`` is the column of what no pruning has a part in, if it was measured, and ``base_is`` its name in words.
    """

    column: str
    title: str
    unit: str
    base: str | None
    base_is: str


def is_measured(name: str) -> bool:
    """Whether an axis of this name is of measured numbers."""
    return name == LATENCY or name.startswith(MEASURED)


def of_one_machine(points: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The points with the numbers of that machine alone on which most were measured, and its name.

    Raises:
        UserError: none was measured; says the command that does.
    """
    if "machine" not in points or points["machine"].isna().all():
        raise UserError(f"none of these points is measured: `{command(points)}` does it.")
    machines = points["machine"].value_counts()
    machine = str(min(machines[machines == machines.max()].index))
    columns = [name for name in points.columns if name.startswith(MEASURED)]
    kept = points[columns].where(points["machine"] == machine)
    return points.drop(columns=columns).join(kept), machine


def command(points: pd.DataFrame) -> str:
    """The command that measures these points, of one network on one data set."""
    first = points.iloc[0]
    return f"python -m pruneexp.measure model={first['model']} data={first['data']}"


def measured_column(points: pd.DataFrame, option: str, name: str) -> tuple[pd.DataFrame, MeasuredColumn]:
    """The column of an axis, and the points with it: ``latency`` is that of the fastest form at the smallest batch.

    Raises:
        UserError: nothing of this name was measured.
    """
    columns = [each for each in points.columns if each.startswith(MEASURED) and points[each].notna().any()]
    if name == LATENCY:
        batch = min(int(each.rpartition(".batch")[2]) for each in columns if each.startswith("latency/"))
        forms = {form: f"latency/{form}.batch{batch}" for form in _forms(columns, batch)}
        unpruned = [column for form, column in forms.items() if form in _AS_DENSE]
        pruned = points[[column for form, column in forms.items() if form != "dense"]].min(axis=1)
        made = points.assign(**{LATENCY: pruned, _UNPRUNED: points[unpruned].min(axis=1)})
        as_dense = f"the fastest form that gains nothing by pruning ({', '.join(sorted(set(forms) & set(_AS_DENSE)))})"
        return made, MeasuredColumn(
            LATENCY, f"latency at batch {batch}", "ms", _UNPRUNED if unpruned else None, as_dense
        )
    if name not in columns:
        raise UserError(f"--{option} {name}: not measured{guess(name, columns)}; there are {', '.join(columns)}.")
    what, _, of = name.partition("/")
    form, _, batch_text = of.partition(".batch")
    base, at = _WITHIN.get(form, "dense"), f".batch{batch_text}" if batch_text else ""
    title = f"{_WHAT[what]} of {form}" + (f" at batch {batch_text}" if batch_text else "")
    column = f"{what}/{base}{at}"
    unit = "bytes" if what == "memory" else "ms"
    return points, MeasuredColumn(name, title, unit, column if column in columns else None, f"the form {base}")


def _forms(columns: Sequence[str], batch: int) -> list[str]:
    """The forms that were timed at a batch."""
    end = f".batch{batch}"
    return [each.removeprefix("latency/").removesuffix(end) for each in columns
            if each.startswith("latency/") and each.endswith(end)]  # fmt: skip


def note(points: pd.DataFrame, column: MeasuredColumn, machine: str) -> str:
    """Sentences: what the numbers are of, and how many points have none, with the command that measures them."""
    fastest = ""
    if column.column == LATENCY:
        fastest = f" of each point's fastest form ({', '.join(_fastest(points, column))})"
    parts = [f"Median {column.title}{fastest}, on {machine}."]
    if column.base is not None:
        parts.append(f"Dotted: {column.base_is}.")
    absent, here = points[column.column].isna(), points["machine"] == machine
    if none := int((absent & here).sum()):
        parts.append(f"{_counted(none, points)} measured there, but not in this form and at this batch: left out.")
    if none := int((absent & ~here).sum()):
        parts.append(f"{_counted(none, points)} not measured there: left out; {command(points)} does it.")
    return " ".join(parts)


def _counted(some: int, points: pd.DataFrame) -> str:
    return f"{some} of {len(points)} points {'are' if some > 1 else 'is'}"


def _fastest(points: pd.DataFrame, column: MeasuredColumn) -> list[str]:
    """The forms that are the fastest of some point."""
    batch = int(column.title.rpartition(" ")[2])
    forms = [form for form in _forms(list(points.columns), batch) if form != "dense"]
    timed = pd.DataFrame({form: points[f"latency/{form}.batch{batch}"] for form in forms})
    return sorted({str(form) for form in timed.dropna(how="all").idxmin(axis=1)})
