"""The numbers of a whole sweep in one table that fits a page, read from the store.

A row for each job and budget where those are few; else one for all seeds of the same choices; else the hardest budget
of each choice alone. A dense network has one row, whichever jobs prune it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pruneexp.cache.store import Store
from pruneexp.experiment.display import Display
from pruneexp.experiment.survey import JobPlan
from pruneexp.jobs.folder import Jobs
from pruneexp.jobs.lines import differing, label
from pruneexp.schema import Metric, TradeoffPoint
from pruneexp.summary.rows import dense_row, headings, remarks, row
from pruneexp.tracking.artefacts import read_point

#: Rows of points that a table of a sweep has at most.
PAGE = 40

#: Remarks on points below a table at most.
_REMARKS = 10


@dataclass(frozen=True)
class _Curve:
    """Points of one job, or of one seed after the other at each budget; ``choices`` tell it from the others."""

    choices: Mapping[str, str]
    points: Sequence[Sequence[TradeoffPoint]]

    @property
    def all_points(self) -> list[TradeoffPoint]:
        return [point for each in self.points for point in each]


def show_numbers(jobs: Jobs, plans: Sequence[JobPlan], display: Display) -> None:
    """Print the points of a sweep that are in the store; ``plans`` say, by job, where each point is."""
    stores: dict[Path, Store] = {}
    curves = []
    for choices, plan in zip(differing(jobs), plans, strict=True):
        if plan.store is None:
            continue
        store = stores.setdefault(plan.store, Store(plan.store))
        found = [record for key in plan.keys if (record := store.record(key)) is not None]
        curves.append(_Curve(choices, [[read_point(record).point] for record in found]))
    of_metric: dict[Metric, list[_Curve]] = {}
    for curve in curves:
        if curve.points:
            of_metric.setdefault(curve.all_points[0].identity.primary, []).append(curve)
    for metric, alike in of_metric.items():
        _show(metric, alike, display)


def _show(metric: Metric, curves: Sequence[_Curve], display: Display) -> None:
    shown, over = _fitting(curves)
    names = list(dict.fromkeys(name for curve in shown for name in curve.choices))
    seeds = ["seeds"] if any(len(each) > 1 for curve in shown for each in curve.points) else []
    rows: list[list[str]] = []
    networks: set[tuple[str, ...]] = set()
    for curve in shown:
        told = [curve.choices.get(name, "") for name in names]
        for points, cells in _rows(curve, networks):
            rows.append([*told, *(str(len(points)) for _ in seeds), *cells])
    display.sheet([*names, *seeds, *headings(metric)], rows)
    if over:
        display.say(f"  {over} more: python -m analysis makes tables and figures of all of them")
    _remark(curves, display)


def _rows(curve: _Curve, networks: set[tuple[str, ...]]) -> Iterator[tuple[Sequence[TradeoffPoint], tuple[str, ...]]]:
    """The dense networks first, unless a curve before it had the same: those are in ``networks``."""
    longest = max(curve.points, key=len)
    dense = tuple(sorted(point.identity.dense_key for point in longest))
    if dense not in networks:
        yield longest, dense_row(longest)
    networks.add(dense)
    yield from ((points, row(points)) for points in curve.points)


def _fitting(curves: Sequence[_Curve]) -> tuple[Sequence[_Curve], int]:
    """What a page shows of these curves, and how many of them it does not."""
    if _length(curves) > PAGE:
        curves = over_seeds(curves)
    if _length(curves) > PAGE:
        curves = [_Curve(curve.choices, curve.points[-1:]) for curve in curves]
    return curves[:PAGE], len(curves) - len(curves[:PAGE])


def over_seeds(curves: Sequence[_Curve]) -> list[_Curve]:
    """Curves whose choices agree but for the seed as one, with the points of all seeds at each budget."""
    alike: dict[tuple[tuple[str, str], ...], dict[str, list[TradeoffPoint]]] = {}
    for curve in curves:
        budgets = alike.setdefault(tuple((k, v) for k, v in curve.choices.items() if k != "seed"), {})
        for point in curve.all_points:
            budgets.setdefault(point.identity.budget.text, []).append(point)
    return [_Curve(dict(choices), list(budgets.values())) for choices, budgets in alike.items()]


def _length(curves: Sequence[_Curve]) -> int:
    return sum(len(curve.points) for curve in curves)


def _remark(curves: Sequence[_Curve], display: Display) -> None:
    """Say what else must be known of single points, whether or not the table has a row for each."""
    said = [
        f"  {label(dict(curve.choices))} {point.identity.budget.text}: {text}"
        for curve in curves
        for point in curve.all_points
        if (text := remarks(point))
    ]
    for line in said[:_REMARKS]:
        display.say(line)
    if len(said) > _REMARKS:
        display.say(f"  and {len(said) - _REMARKS} remarks more")
