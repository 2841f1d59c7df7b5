"""Mean, sample standard deviation and n over seeds: what MLflow, which groups by average, minimum and maximum, lacks.

Pure: from points to what the runs of summaries hold; knows no store. There is one summary per group of points that
differ in the seed alone, and one per group of such curves, whose series has a value for every budget.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pruneexp import schema
from pruneexp.tracking.colours import TAG, colour
from pruneexp.tracking.naming import group_name
from pruneexp.tracking.runs import Value

_SCRATCH = ("scratch_e", "scratch_b")
_MEANS = ("density", "accuracy", "accuracy_test", schema.COMPRESSION, schema.SECONDS, "epochs")
_SPREADS = (schema.ACCURACY_LOSS, schema.ACCURACY_LOSS_TEST, "accuracy", "accuracy_test")

#: Every metric that a summary can have.
METRICS = (schema.SEEDS, *dict.fromkeys((*_MEANS, *_SPREADS)), *(name + schema.SPREAD for name in _SPREADS))
#: Tables show every digit of a number: what a float adds to 0.2 is not worth a column's width.
_DECIMALS = 6


class Point(NamedTuple):
    """What of a recorded point a summary, or the description of a curve, needs; ``started`` in milliseconds."""

    identity: schema.PointIdentity
    result: schema.PointResult
    started: int
    disconnected: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The content of one run; ``digest`` tells whether it has changed."""

    of: Literal["curves", "points"]
    key: str
    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    values: tuple[Value, ...]

    @property
    def digest(self) -> str:
        content = (self.name, sorted(self.params.items()), sorted(self.tags.items()), self.values)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def summaries(points: Iterable[Point]) -> list[Summary]:
    """Every summary of these points, those of a curve first; trials of searches repeat nothing and are left out."""
    latest = _latest(point for point in points if not point.identity.study)
    curves: dict[str, list[Point]] = defaultdict(list)
    for point in latest:
        curves[schema.group_of(point.identity, with_budget=False)].append(point)
    compared = _compared(curves.values())
    found: list[Summary] = []
    for key, members in sorted(curves.items(), key=lambda pair: _order(pair[1][0])):
        rows = [rows for _, rows in sorted(_by_budget(members).items())]
        tags = _tags(members[0], schema.contest_of(members[0].identity) in compared)
        found += (_of_curves(key, rows, tags), *(_of_points(row, tags) for row in rows))
    return found


def step_of(density: float) -> int:
    """The step of a value: weights pruned away, in hundredths of a permille, because MLflow's steps are whole."""
    return round(1e5 * (1 - density))


def _latest(points: Iterable[Point]) -> list[Point]:
    """Of points that were recorded twice, the last: a seed never counts twice."""
    last: dict[tuple[str, int], Point] = {}
    for point in sorted(points, key=lambda point: point.started):
        last[schema.group_of(point.identity, with_budget=True), point.identity.seed] = point
    return list(last.values())


def _by_budget(members: Sequence[Point]) -> Mapping[tuple[str, float], list[Point]]:
    """Mildest first within densities, which are then negative."""
    rows: dict[tuple[str, float], list[Point]] = defaultdict(list)
    for point in members:
        budget = point.identity.budget
        rows[budget.kind, -budget.value if budget.kind == "density" else budget.value].append(point)
    return rows


def _order(point: Point) -> tuple[str, ...]:
    of = point.identity
    return (of.data, of.model, of.mode, of.schedule, of.reg, of.criterion)


def _compared(curves: Iterable[Sequence[Point]]) -> set[str]:
    """Contests in which networks from scratch meet others."""
    modes: dict[str, set[bool]] = defaultdict(set)
    for members in curves:
        modes[schema.contest_of(members[0].identity)].add(members[0].identity.mode in _SCRATCH)
    return {contest for contest, found in modes.items() if len(found) == 2}


def _tags(point: Point, compared: bool) -> Mapping[str, str]:
    tags = {schema.CONTEST: schema.contest_of(point.identity), TAG: colour(schema.flatten(point.identity))}
    return {**tags, schema.COMPARED: "true"} if compared else tags


def _of_curves(key: str, rows: Sequence[Sequence[Point]], tags: Mapping[str, str]) -> Summary:
    params = {name: value for name, value in _params(rows[0][0]).items() if not name.startswith("budget.")}
    seeds = {point.identity.seed for row in rows for point in row}
    values = tuple(value for row in rows for value in _values(row))
    name = group_name(params, len(seeds))
    tags = {**tags, **_doubts([point for row in rows for point in row])}
    return Summary(of="curves", key=key, name=name, params=params, tags=tags, values=values)


def _of_points(row: Sequence[Point], tags: Mapping[str, str]) -> Summary:
    params, key = _params(row[0]), schema.group_of(row[0].identity, with_budget=True)
    name = group_name(params, len(row))
    tags = {**tags, **_doubts(row)}
    return Summary(of="points", key=key, name=name, params=params, tags=tags, values=tuple(_values(row)))


def _doubts(points: Sequence[Point]) -> dict[str, str]:
    """Tags that say of how many of the points behind a mean the accuracies say less than they seem to."""
    counts = {
        schema.DISCONNECTED: sum(point.disconnected for point in points),
        schema.UNDEFINED: sum(bool(schema.undefined(point.result)) for point in points),
    }
    return {tag: f"{count} of {len(points)} points" for tag, count in counts.items() if count}


def _params(point: Point) -> dict[str, str]:
    return {name: str(value) for name, value in schema.flatten(point.identity).items() if name not in schema.REPEATED}


def _values(row: Sequence[Point]) -> Iterator[Value]:
    numbers = [_numbers(point.result) for point in row]
    common = set.intersection(*(set(each) for each in numbers))
    step = step_of(math.fsum(each["density"] for each in numbers) / len(numbers))
    yield Value(schema.SEEDS, len(row), step)
    for name in dict.fromkeys((*_MEANS, *_SPREADS)):
        if name not in common:
            continue
        values = sorted(each[name] for each in numbers)  # the order of recording changes nothing
        mean = math.fsum(values) / len(values)
        yield Value(name, round(mean, _DECIMALS), step)
        if name in _SPREADS and len(values) > 1:
            variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
            yield Value(name + schema.SPREAD, round(math.sqrt(variance), _DECIMALS), step)


def _numbers(result: schema.PointResult) -> dict[str, float]:
    ledger = result.ledger
    numbers = {
        **schema.derived(result),
        "density": result.density,
        "accuracy": result.val.after.top1,
        "epochs": ledger.dense.epochs + ledger.retrain.epochs + ledger.scratch.epochs,
    }
    return numbers if result.test is None else {**numbers, "accuracy_test": result.test.after.top1}
