"""The runs behind a page: numbered, told apart in words, with the address of each where a server shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from analysis.records import frames, scan_frames
from analysis.records.addresses import WORKFLOW
from analysis.report.markup import Html, element, joined, link, table
from analysis.report.subject import Subject
from analysis.statistics import conditions, selection
from analysis.statistics.conditions import hashed
from analysis.statistics.curves import budget_text

#: Columns that a point and a scan are named by where they differ: choices first, then their conditions.
_POINT = (("data", "model", "mode"), frames.CONDITIONS)
_SCAN = (("data", "model"), scan_frames.CONDITIONS)


class ListedRun(NamedTuple):
    """A run under its number, and what it is of."""

    number: int
    run_id: str
    experiment: str
    name: str


def listed(subject: Subject) -> tuple[ListedRun, ...]:
    """Every run of the records that count, numbered from 1: of points first, then of scans."""
    named: list[tuple[str, str, str]] = []
    if subject.points is not None:
        budgets = subject.points[list(frames.BUDGET)].itertuples(index=False, name=None)
        named += _named(subject.points, *_POINT, [budget_text(*budget) for budget in budgets])
    if subject.scans is not None:
        named += _named(subject.scans, *_SCAN, ["scan"] * len(subject.scans))
    return tuple(ListedRun(number, *told) for number, told in enumerate(named, start=1))


def _named(
    rows: pd.DataFrame, shown: Sequence[str], told: Sequence[str], endings: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Run id, experiment and name of each: what tells it apart, where there are words for it; ending and seed."""
    keys = selection.combinations(rows, [*shown, *told])
    names = [*conditions.varying(keys, shown), *conditions.telling(keys, told)]
    for row, ending in zip(rows.to_dict("records"), endings, strict=True):
        known = {name: None if pd.isna(row[name]) else row[name] for name in names if row[name] != ""}
        key = {name: value for name, value in known.items() if not hashed(name) or " " in str(value)}
        trial = f"trial {row['trial']}" if row.get("trial", -1) >= 0 else ""
        parts = (conditions.words(key, key), trial, ending, f"seed {row['seed']}")
        yield str(row["run_id"]), str(row["experiment"]), ", ".join(filter(None, parts))


def ranges(numbers: Iterable[int]) -> Html:
    """``1–24, 30``, each a link to where the list has it."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return joined([link("–".join(map(str, part)), f"#run-{part[0]}") for part in parts], ", ")


def as_table(found: Sequence[ListedRun], pages: Mapping[str, str]) -> Html:
    """All runs; ``pages`` has the address of the page with the runs of an experiment, where a server shows it."""
    rows = [_row(run, pages.get(run.experiment)) for run in found]
    return table("Runs", ("number", "what", "experiment", "run"), "rlll", rows)


def _row(run: ListedRun, page: str | None) -> tuple[str, ...]:
    number = element("span", str(run.number), id=f"run-{run.number}")
    run_id = element("code", run.run_id)
    address = link(run_id, f"{page}{run.run_id}{WORKFLOW}") if page else run_id
    return number, run.name, run.experiment, address
