"""What is written once more when a curve is done: its series and description, and the summaries over seeds.

Knows runs and points; the content comes from ``markdown`` and ``summaries``. Everything written here can be written
again from the points alone, and is left alone where it is as it should be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.tracking import markdown
from pruneexp.tracking.runs import Runs, Value, kind, quoted, texts
from pruneexp.tracking.summaries import Point, Summary, step_of, summaries

if TYPE_CHECKING:
    from mlflow.entities import Run


def describe_curve(runs: Runs, run: Run, points: Sequence[schema.TradeoffPoint], failed: int) -> None:
    """Series, totals, Markdown and picture of a curve, on its own run."""
    note, picture = markdown.description(points, run.info.run_id), markdown.drawing(points)
    digest = hashlib.sha256(f"{note}{picture}{failed}".encode()).hexdigest()
    if run.data.tags.get(schema.DIGEST) == digest:
        return
    runs.fill(run, {}, list(_series(points, failed)), {schema.DRAWING_FILE: picture})
    for key, text in ((markdown.TAG, note), (schema.DIGEST, digest)):
        runs.client.set_tag(run.info.run_id, key, text)


def refresh_summaries(runs: Runs, points: Iterable[Point], within: str = "") -> int:
    """Make the summaries of these points, replace what has changed and remove what has nothing behind it any more.

    ``within`` narrows the query for the summaries that are there, to those that these points can have.

    Returns:
        How many there are now.
    """
    wanted = {(one.of, one.key): one for one in summaries(points)}
    missing = dict(wanted)
    for run in list(runs.find(kind("summary") + within)):
        tags = run.data.tags
        one = missing.pop((tags.get(schema.SUMMARY_OF, ""), tags.get(schema.SUMMARY_KEY, "")), None)  # type: ignore[arg-type]
        if one is None or tags.get(schema.DIGEST) != one.digest or run.info.status != "FINISHED":
            runs.client.delete_run(run.info.run_id)
            if one is not None:
                missing[one.of, one.key] = one
    for place, one in wanted.items():
        if place in missing:
            _write(runs, one)
    return len(wanted)


def repetitions(runs: Runs, of: schema.PointIdentity) -> Iterator[Point]:
    """Recorded points of all curves that differ from this one in seed or mode alone."""
    query = f"{kind('point')} and attributes.status = 'FINISHED'{same_condition(of)}"
    contest = schema.contest_of(of)
    return (point for point in read_points(runs, query) if schema.contest_of(point.identity) == contest)


def same_condition(of: schema.PointIdentity) -> str:
    """The part of a query that a database can answer; hashes of settings say nearly everything."""
    same = {"dense_settings": of.dense_settings, "prune_settings": of.prune_settings, "reg": of.reg}
    return "".join(f" and params.`{name}` = {quoted(value)}" for name, value in same.items() if value)


def read_points(runs: Runs, query: str) -> Iterator[Point]:
    """Finished points that can be read; others are the business of whoever analyses them."""
    for run in runs.find(query):
        try:
            identity = schema.unflatten(schema.PointIdentity, run.data.params)
            result = schema.unflatten(schema.PointResult, run.data.metrics)
        except (KeyError, ValueError):
            continue
        yield Point(identity, result, run.info.start_time)


def _write(runs: Runs, one: Summary) -> None:
    own = {
        schema.KIND: "summary",
        schema.SUMMARY_OF: one.of,
        schema.SUMMARY_KEY: one.key,
        schema.DIGEST: one.digest,
        schema.SCHEMA: schema.SCHEMA_VERSION,
    }
    run = runs.create(one.name, {**one.tags, **own})
    runs.fill(run, texts(one.params), list(one.values), {})
    runs.client.set_terminated(run.info.run_id, "FINISHED")


def _series(points: Sequence[schema.TradeoffPoint], failed: int) -> Iterator[Value]:
    """The numbers of each point at its step, and totals."""
    for point in points:
        numbers = {"density": point.result.density, **schema.derived(point.result)}
        step = step_of(point.result.density)
        for name in ("density", schema.COMPRESSION, schema.ACCURACY_LOSS, schema.ACCURACY_LOSS_BEFORE):
            if name in numbers:
                yield Value(name, numbers[name], step)
    for name in (schema.SECONDS, schema.STAGES, schema.CACHE_HITS):
        yield Value(name, sum(schema.derived(point.result)[name] for point in points))
    yield Value(schema.RECORDED, len(points))
    yield Value(schema.FAILED, failed)
