"""Mean, sample standard deviation and n over seeds: what MLflow, which groups by average, minimum and maximum, lacks.

Pure: from points to what the runs of summaries hold; knows no store. There is one summary per group of points that
differ in the seed alone, and one per group of such curves, whose series has a value for every budget.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pruneexp import schema
from pruneexp.summary.seeds import curves
from pruneexp.summary.spread import spread
from pruneexp.tracking.colours import COLOUR, curve_colour
from pruneexp.tracking.naming import group_name
from pruneexp.tracking.runs import NewRun, Value

if TYPE_CHECKING:
    from pruneexp.schema.columns import LoggedPoint

#: Numbers that a summary has with their spread; ``{}`` is the name of the primary metric.
_SPREADS = (
    schema.change_name("val", "after", "{}"), schema.change_name("test", "after", "{}"),
    "val.after.{}", "test.after.{}",
)  # fmt: skip
_MEANS = ("density", schema.COMPRESSION, schema.LOG2_COMPRESSION, schema.SECONDS, "epochs")
#: Tables show every digit of a number: what a float adds to 0.2 is not worth a column's width.
_DECIMALS = 6

#: The square of a larger number, such as the perplexity of a network without sense, is no number.
_LARGEST = 1e100

#: Repetitions of one point.
Row = Sequence["LoggedPoint"]


def summaries(points: Iterable[LoggedPoint]) -> list[NewRun]:
    """Every summary of these points, those of a curve first; trials of searches repeat nothing and are left out."""
    found = sorted(curves(points), key=lambda rows: _order(rows[0][0]))
    origins: dict[str, set[bool]] = defaultdict(set)
    for rows in found:
        first = rows[0][0].point
        origins[schema.contest_of(first.identity)].add(first.result.val.before is None)  # from scratch
    compared = {contest for contest, kinds in origins.items() if len(kinds) == 2}
    made: list[NewRun] = []
    for rows in found:
        of = rows[0][0].point.identity
        tags = {schema.CONTEST: schema.contest_of(of), COLOUR: curve_colour(schema.flatten(of))}
        if tags[schema.CONTEST] in compared:
            tags[schema.COMPARED] = "true"
        made += (_summary("curves", rows, tags), *(_summary("points", [row], tags) for row in rows))
    return made


def _order(logged: LoggedPoint) -> tuple[str, ...]:
    of = logged.point.identity
    return (of.data, of.model, of.mode, of.schedule, of.reg, of.criterion)


def _summary(kind: Literal["curves", "points"], rows: Sequence[Row], common: Mapping[str, str]) -> NewRun:
    """The content of one run; its digest tells whether it has changed."""
    points = [logged for row in rows for logged in row]
    of, budgeted = points[0].point.identity, kind == "points"
    flat = schema.flatten(of)
    params = {
        name: str(value)
        for name, value in schema.without_hashes(flat).items()
        if name not in schema.REPEATED and (budgeted or not name.startswith("budget."))
    }
    name = group_name(params, len({logged.point.identity.seed for logged in points}))
    values = tuple(value for row in rows for value in _values(row))
    tags = {
        **common,
        **_doubts(points),
        schema.KIND: "summary",
        schema.SUMMARY_OF: kind,
        schema.SUMMARY_KEY: schema.group_of(of, with_budget=budgeted),
        schema.SCHEMA: schema.SCHEMA_VERSION,
    }
    content = json.dumps([name, sorted(params.items()), sorted(tags.items()), values])
    tags[schema.DIGEST] = hashlib.sha256(content.encode()).hexdigest()
    return NewRun(name, tags, params, values)


def _doubts(points: Row) -> dict[str, str]:
    """Tags that say of how many of the points behind a mean the scores say less than they seem to."""
    counts = {
        schema.DISCONNECTED: sum(logged.point.disconnected for logged in points),
        schema.UNDEFINED: sum(bool(schema.undefined(logged.point)) for logged in points),
    }
    return {tag: f"{count} of {len(points)} points" for tag, count in counts.items() if count}


def metrics_of(metric: str) -> tuple[str, ...]:
    """Every number that a summary can have of points whose primary metric has this name."""
    spreads = [name.format(metric) for name in _SPREADS]
    return (schema.SEEDS, *_MEANS, *spreads, *(name + schema.SPREAD for name in spreads))


def _values(row: Row) -> Iterator[Value]:
    numbers = [_numbers(logged.point) for logged in row]
    common = set.intersection(*(set(each) for each in numbers))
    # Weights pruned away, in hundredths of a permille, because MLflow's steps are whole.
    step = round(1e5 * (1 - spread(each["density"] for each in numbers).mean))
    yield Value(schema.SEEDS, len(row), step)
    spreads = [name.format(row[0].point.identity.primary.name) for name in _SPREADS]
    for name in (name for name in (*_MEANS, *spreads) if name in common):
        found = spread(each[name] for each in numbers)
        yield Value(name, round(found.mean, _DECIMALS), step)
        if name in spreads and found.std is not None:
            yield Value(name + schema.SPREAD, round(found.std, _DECIMALS), step)


def _numbers(point: schema.TradeoffPoint) -> dict[str, float]:
    """The numbers of a point that a mean can be made of."""
    result, metric, ledger = point.result, point.identity.primary, point.result.ledger
    numbers = {
        **schema.derived(point),
        "density": result.density,
        f"val.after.{metric.name}": result.val.after[metric.name],
        "epochs": ledger.dense.epochs + ledger.retrain.epochs + ledger.scratch.epochs,
    }
    if result.test is not None:
        numbers[f"test.after.{metric.name}"] = result.test.after[metric.name]
    return {name: number for name, number in numbers.items() if abs(number) < _LARGEST}
