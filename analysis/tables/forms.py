"""Measured latency, memory and size of pruned networks, by density and by the form that they run in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, geometric_mean
from typing import Any, NamedTuple

import pandas as pd

from analysis.names import display_subject
from analysis.publishing.numbers import CsvRow
from analysis.publishing.sheet import MISSING, TableSheet, table_sheet
from analysis.records import frames
from analysis.statistics import selection
from analysis.statistics.conditions import cells, headings, joined, telling, texts
from analysis.statistics.curves import budget_text
from pruneexp.errors import UserError

MADE_OF = "forms"

#: What tells one line of networks from another, beside the budget.
_LINES = (*frames.SUBJECT, "mode", *frames.CONDITIONS, "machine")
_STEP = 0
#: Cores that other processes may keep busy without a word.
_QUIET = 0.2


class FormTime(NamedTuple):
    """One form at one batch (0: a step of training): mean over seeds of medians and quartiles, in milliseconds.

    ``ratio`` is the geometric mean of dense / form, ``memory`` and ``size`` are means in bytes; None where there is no
    such number. ``n`` seeds have this form.
    """

    form: str
    batch: int
    median: float
    low: float
    high: float
    ratio: float | None
    memory: float | None
    size: float | None
    n: int


class FormEntry(NamedTuple):
    """The networks of one budget of one curve, over their seeds, on one machine."""

    conditions: tuple[tuple[str, str], ...]
    budget: str
    density: float
    times: tuple[FormTime, ...]
    others: float | None
    runs: tuple[str, ...]


class FormTable(NamedTuple):
    """``varying`` names the conditions that tell entries apart."""

    varying: tuple[str, ...]
    entries: tuple[FormEntry, ...]


def data(frame: pd.DataFrame) -> FormTable:
    """Every budget that was measured, the densest first.

    Raises:
        UserError: none was.
    """
    if frame.empty:
        raise UserError("no point is measured: `python -m pruneexp.measure POINT` does it, as in model=lenet5 seed=0.")
    found = list(selection.groups(frame, _LINES))
    varying = telling([key for key, _ in found], _LINES)
    entries = [
        _entry(key, budget, rows) for key, every in found for budget, rows in selection.groups(every, frames.BUDGET)
    ]
    return FormTable(varying, tuple(sorted(entries, key=lambda one: (one.conditions, -one.density, one.budget))))


def _entry(key: Mapping[str, Any], budget: Mapping[str, Any], rows: pd.DataFrame) -> FormEntry:
    points = rows.drop_duplicates("run_id")
    order = {form: place for place, form in enumerate(rows.sort_values(["run_id"], kind="stable")["form"].unique())}
    dense = rows[rows["form"] == "dense"].set_index(["run_id", "batch"])["median"]
    times = [_time(str(of["form"]), int(of["batch"]), same, dense)
             for of, same in selection.groups(rows, ("form", "batch"))]  # fmt: skip
    others = points["others"].dropna()
    return FormEntry(
        conditions=texts(key, _LINES),
        budget=budget_text(*budget.values()),
        density=float(points["density"].mean()),
        times=tuple(sorted(times, key=lambda one: (order[one.form], one.batch))),
        others=None if others.empty else float(others.max()),
        runs=tuple(sorted(points["run_id"])),
    )


def _time(form: str, batch: int, rows: pd.DataFrame, dense: pd.Series) -> FormTime:
    keys = list(zip(rows["run_id"], rows["batch"], strict=True))
    ratios = [dense[key] / median for key, median in zip(keys, rows["median"], strict=True) if key in dense.index]
    median, low, high = (fmean(rows[name]) for name in ("median", "low", "high"))
    ratio = geometric_mean(ratios) if ratios else None
    return FormTime(form, batch, median, low, high, ratio, _mean(rows["memory"]), _mean(rows["size"]), len(rows))


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return None if known.empty else fmean(known)


def rows(made: FormTable) -> Iterator[CsvRow]:
    """A ``FormTime`` and what it is of; ``batch`` 0 is a step of training."""
    for entry in made.entries:
        told = dict(entry.conditions)
        for time in entry.times:
            yield {
                "data": told["data"],
                "model": told["model"],
                "conditions": joined((name, value) for name, value in entry.conditions if name not in frames.SUBJECT),
                "machine": told["machine"],
                "budget": entry.budget,
                "density": entry.density,
                "form": time.form,
                "batch": time.batch,
                "median_ms": time.median,
                "low_ms": time.low,
                "high_ms": time.high,
                "dense_ratio": time.ratio,
                "memory_bytes": time.memory,
                "size_bytes": time.size,
                "n": time.n,
                "runs": " ".join(entry.runs),
            }


def sheet(made: FormTable) -> TableSheet:
    batches = sorted({time.batch for entry in made.entries for time in entry.times} - {_STEP})
    shown = batches if len(batches) < 3 else [batches[0], batches[-1]]
    lead = [name for name in made.varying if name not in frames.SUBJECT]
    subjects = dict.fromkeys(_subject(entry) for entry in made.entries)
    named = ["Network"] * (len(subjects) > 1)
    times = [text for batch in shown for text in (f"Batch {batch}, ms", "Dense / this")]
    header = (*named, *headings(lead), "Density", "Form", *times, "Peak, kB", "Size, kB")
    align = "l" * (len(named) + len(lead)) + "rl" + "r" * (len(times) + 2)
    lines = (line for entry in made.entries for line in _lines(entry, lead, bool(named), shown))
    title = f"Measured latency, memory and size: {', '.join(subjects)}"
    return table_sheet(title, header, align, lines, _notes(made, shown))


def _subject(entry: FormEntry) -> str:
    told = dict(entry.conditions)
    return display_subject(told["model"], told["data"])


def _lines(entry: FormEntry, lead: Sequence[str], named: bool, batches: Sequence[int]) -> Iterator[tuple[str, ...]]:
    start = [*[_subject(entry)] * named, *cells(entry.conditions, lead)]
    start.append(f"{entry.density:.3g}")
    for form in dict.fromkeys(time.form for time in entry.times):
        at = {time.batch: time for time in entry.times if time.form == form and time.batch != _STEP}
        if at:
            latencies = (text for batch in batches for text in _latency(at.get(batch)))
            peak, size = at[max(at)].memory, at[max(at)].size
            yield *start, form.replace("_", " "), *latencies, *map(_kilobytes, (peak, size))
            start = [""] * len(start)


def _latency(time: FormTime | None) -> tuple[str, str]:
    if time is None:
        return MISSING, MISSING
    ratio = MISSING if time.ratio is None else f"{time.ratio:.2f}×"
    return f"{time.median:.3g} ({time.low:.3g}–{time.high:.3g})", ratio


def _kilobytes(count: float | None) -> str:
    return MISSING if count is None else f"{count / 1e3:,.0f}"


def _notes(made: FormTable, batches: Sequence[int]) -> Iterator[str]:
    seeds = {len(entry.runs) for entry in made.entries}
    over = "" if seeds == {1} else f", means over {' or '.join(map(str, sorted(seeds)))} seeds"
    machines = sorted({dict(entry.conditions)["machine"] for entry in made.entries})
    yield (
        f"Median of calls with its quartiles{over}; dense / this: how many times as fast as the dense network in torch "
        f"(geometric mean). Measured on {'; '.join(machines)}."
    )
    yield (
        f"Peak: memory at batch {batches[-1]}, weights included. Of torch's forms it is what torch allocates, of "
        "onnxruntime the whole program's, some 12,000 kB with no network: each compares with its like. Size: weights "
        "with their indices, or the file of the graph. onnxruntime gains nothing by zeros: its gain is not pruning's."
    )
    if steps := _steps(made):
        yield f"A step of retraining under masks takes {geometric_mean(steps):.2f}× the time of one of dense training."
    busy = [entry.others for entry in made.entries if entry.others is not None and entry.others > _QUIET]
    if busy:
        yield (
            f"While {len(busy)} of {len(made.entries)} rows of networks were measured, other processes kept up to "
            f"{max(busy):.1f} cores busy: times are too long, ratios less so."
        )


def _steps(made: FormTable) -> list[float]:
    """How many times as long as a step of dense training one under masks takes, of each entry."""
    return [1.0 / time.ratio for entry in made.entries for time in entry.times
            if time.batch == _STEP and time.form == "masked" and time.ratio]  # fmt: skip
