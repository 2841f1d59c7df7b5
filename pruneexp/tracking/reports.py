"""What is written once more when a curve is done: its series and description, and the summaries over seeds.

Knows runs and points; the content comes from ``markdown`` and ``summaries``. Everything written here can be written
again from the points alone, and is left alone where it is as it should be.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.tracking import contention, markdown
from pruneexp.tracking.runs import PARENT, Runs, Value, kind, quoted, texts
from pruneexp.tracking.summaries import Point, Summary, step_of, summaries

if TYPE_CHECKING:
    from filelock import FileLock
    from mlflow.entities import Run

FINISHED = f"{kind('point')} and attributes.status = 'FINISHED'"
#: Machines that renew at once settle it in two; with more of them the next one to renew does.
_LOOKS = 3


def describe(runs: Runs, run: Run) -> list[Point]:
    """Put table and picture of what is recorded under a curve or a search on its run, and a curve's series and totals.

    Returns:
        The points found, mildest first.
    """
    run_id = run.info.run_id
    below = f"{kind('point')} and tags.`{PARENT}` = {quoted(run_id)}"
    points = sorted(
        read_points(runs, f"{below} and attributes.status = 'FINISHED'"), key=lambda point: -point.result.density
    )
    if not points:
        return []
    failed = sum(1 for _ in runs.find(f"{below} and attributes.status = 'FAILED'"))
    search = run.data.tags.get(schema.KIND) == "study"
    told = [
        schema.TradeoffPoint(identity=point.identity, result=point.result, disconnected=point.disconnected)
        for point in points
    ]
    shown = _front(told) if search else told
    heading = markdown.search_heading(run.info.run_name, len(told)) if search else markdown.curve_heading(told[0])
    note, picture = markdown.description(heading, shown, run_id), markdown.drawing(shown)
    digest = hashlib.sha256(f"{note}{picture}{failed}".encode()).hexdigest()
    if run.data.tags.get(schema.DIGEST) != digest:
        series = list(_totals(told, failed)) if search else [*_series(told), *_totals(told, failed)]
        runs.fill(run, {}, series, {schema.DRAWING_FILE: picture})
        for key, text in ((markdown.TAG, note), (schema.DIGEST, digest)):
            runs.client.set_tag(run_id, key, text)
    return points


def newest(runs: Runs, condition: str = "") -> str:
    """The finished point that ended last, which tells whether another one has been recorded since."""
    found = runs.client.search_runs(
        [runs.experiment_id], FINISHED + condition, order_by=["attributes.end_time DESC"], max_results=1
    )
    return "" if not found else f"{found[0].info.run_id} {found[0].info.end_time}"


def renew(
    runs: Runs, lock: FileLock, of: schema.PointIdentity, seen: str, points: Sequence[Point], *, unlocked: bool = False
) -> int:
    """Renew the summaries of the contest that a point is in; how many there are.

    ``points`` are all that it had when ``seen`` was the ``newest``: reading many takes seconds, in which others may
    write, so they are read again, under the lock, only where somebody has recorded meanwhile. Where the store is
    ``unlocked``, one that other machines renew as well, each looks again after it has written: the last to look finds
    every point, and what others have left.
    """
    contest, same = schema.contest_of(of), same_condition(of)
    with lock:
        now = newest(runs, same) if unlocked else ""  # not of all: on a cluster somebody always records something
        count = _refresh(runs, points if newest(runs) == seen else repetitions(runs, of), contest)
        for _ in range(_LOOKS if unlocked else 0):
            time.sleep(contention.SEEN_SECONDS)
            before, now = now, newest(runs, same)
            if now == before and len(list(runs.find(_of_contest(contest)))) == count:
                break
            count = _refresh(runs, repetitions(runs, of), contest)
        return count


def repetitions(runs: Runs, of: schema.PointIdentity) -> Iterator[Point]:
    """Recorded points of all curves that differ from this one in seed or mode alone."""
    query = FINISHED + same_condition(of)
    contest = schema.contest_of(of)
    return (point for point in read_points(runs, query) if schema.contest_of(point.identity) == contest)


def same_condition(of: schema.PointIdentity) -> str:
    """The part of a query that a database can answer; hashes of settings say nearly everything."""
    names = ("dense_settings", "prune_settings", "reg_settings", "reg")
    same = {name: getattr(of, name) for name in names}
    return "".join(f" and params.`{name}` = {quoted(value)}" for name, value in same.items() if value)


def read_points(runs: Runs, query: str) -> Iterator[Point]:
    """Finished points that can be read; others are the business of whoever analyses them."""
    for run in runs.find(query):
        try:
            identity = schema.unflatten(schema.PointIdentity, run.data.params)
            result = schema.unflatten(schema.PointResult, run.data.metrics)
        except (KeyError, ValueError):
            continue
        yield Point(identity, result, run.info.start_time, run.data.tags.get(schema.DISCONNECTED) == "true")


def _refresh(runs: Runs, points: Iterable[Point], contest: str) -> int:
    """Make the summaries of a contest, replace what has changed and remove what has nothing behind it any more."""
    wanted = {(one.of, one.key): one for one in summaries(points)}
    missing = dict(wanted)
    for run in list(runs.find(_of_contest(contest))):
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


def _of_contest(contest: str) -> str:
    return f"{kind('summary')} and tags.`{schema.CONTEST}` = {quoted(contest)}"


def _write(runs: Runs, one: Summary) -> None:
    from mlflow.exceptions import MlflowException

    own = {
        schema.KIND: "summary",
        schema.SUMMARY_OF: one.of,
        schema.SUMMARY_KEY: one.key,
        schema.DIGEST: one.digest,
        schema.SCHEMA: schema.SCHEMA_VERSION,
    }
    run = runs.create(one.name, {**one.tags, **own})
    try:
        runs.fill(run, texts(one.params), list(one.values), {})
        runs.client.set_terminated(run.info.run_id, "FINISHED")
    except MlflowException:
        if not runs.gone(run):  # else another machine has found it unfinished
            raise


def _front(trials: Sequence[schema.TradeoffPoint]) -> list[schema.TradeoffPoint]:
    """Trials that no other one beats in accuracy on val at their density or below; ``trials`` are densest first."""
    front: list[schema.TradeoffPoint] = []
    for trial in sorted(trials, key=lambda trial: (trial.result.density, -trial.result.val.after.top1)):
        if not front or trial.result.val.after.top1 > front[-1].result.val.after.top1:
            front.append(trial)
    return front[::-1]


def _series(points: Sequence[schema.TradeoffPoint]) -> Iterator[Value]:
    """The numbers of each point at its step."""
    for point in points:
        numbers = {"density": point.result.density, **schema.derived(point.result)}
        step = step_of(point.result.density)
        for name in ("density", schema.COMPRESSION, schema.ACCURACY_LOSS, schema.ACCURACY_LOSS_BEFORE):
            if name in numbers:
                yield Value(name, numbers[name], step)


def _totals(points: Sequence[schema.TradeoffPoint], failed: int) -> Iterator[Value]:
    for name in (schema.SECONDS, schema.STAGES, schema.CACHE_HITS):
        yield Value(name, sum(schema.derived(point.result)[name] for point in points))
    yield Value(schema.RECORDED, len(points))
    yield Value(schema.FAILED, failed)
