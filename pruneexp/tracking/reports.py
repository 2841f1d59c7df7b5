"""What can be written again from the recorded points alone: descriptions of curves and searches, summaries over seeds.

Knows runs and points; the content comes from ``markdown`` and ``summaries``. What is as it should be is left alone.
A summary can miss what another machine has just recorded; the next command mends it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.summary.pareto import pareto_front
from pruneexp.tracking import bulk, markdown
from pruneexp.tracking.runs import PARENT, NewRun, Runs, Value, Where
from pruneexp.tracking.summaries import summaries

if TYPE_CHECKING:
    from pruneexp.schema.columns import LoggedPoint

_KIND = f"tags.{schema.KIND}"
_FINISHED = {_KIND: "point", "attributes.status": "FINISHED"}
_FAILED = {_KIND: "point", "attributes.status": "FAILED"}
#: The part of a contest's condition that a database can answer, of records of every version.
_CONDITION = ("model", "data", "reg", "criterion", "schedule", "train_epochs", "train_lr")
#: Points, with the id of the run above each.
Points = list[tuple[str, "LoggedPoint"]]


class Reports:
    """Writer of what follows from the points of one experiment."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    def of_parent(self, run_id: str) -> None:
        """Describe a curve or a search, and renew the summaries of the contest that a curve is in."""
        above = {f"tags.{PARENT}": run_id}
        points = self._points({**_FINISHED, **above})
        self._describe_all(points, {**_FAILED, **above}, {"attributes.run_id": run_id})
        of = points[0][1].point.identity if points else None
        if of is not None and not of.study:
            same = {f"params.{name}": str(getattr(of, name)) for name in _CONDITION if getattr(of, name)}
            self._renew({**_FINISHED, **same}, schema.contest_of(of))

    def of_all(self, say: Callable[[str], None]) -> int:
        """Renew every summary, and describe every curve and search; how many summaries there are.

        ``say`` is told what is being done.
        """
        say("summarising its points")
        count, points = self._renew(_FINISHED)
        say(f"describing curves and searches of {len(points)} points")
        self._describe_all(points, _FAILED, {_KIND: "curve"}, {_KIND: "study"})
        return count

    def _renew(self, alike: Where, contest: str = "") -> tuple[int, Points]:
        """Make the summaries of points that meet a condition, and of one contest only: their number, and the points."""
        existing = {_KIND: "summary", **({f"tags.{schema.CONTEST}": contest} if contest else {})}
        with self._runs.lock:
            points = [(above, logged) for above, logged in self._points(alike)
                      if contest in ("", schema.contest_of(logged.point.identity))]  # fmt: skip
            wanted = summaries(logged for _, logged in points)
            self._replace(wanted, existing)
        return len(wanted), points

    def _points(self, where: Where) -> Points:
        """Points that can be read, with the id of the run above each; others are the business of publications."""
        found = bulk.find(self._runs, where)
        return [(run.tags.get(PARENT, ""), logged) for run in found if (logged := _logged(run)) is not None]

    def _replace(self, wanted: Sequence[NewRun], existing: Where) -> None:
        """Write summaries that are missing or have changed, and delete others."""
        missing = {one.tags[schema.DIGEST]: one for one in wanted}
        outdated = [
            run.run_id
            for run in bulk.find(self._runs, existing, ("tags",))
            if run.status != "FINISHED" or missing.pop(run.tags.get(schema.DIGEST, ""), None) is None
        ]
        if outdated or missing:
            bulk.replace(self._runs, outdated, list(missing.values()))

    def _describe_all(self, points: Points, failures: Where, *parents: Where) -> None:
        below: dict[str, list[LoggedPoint]] = defaultdict(list)
        for parent, logged in points:
            below[parent].append(logged)
        failed = Counter(run.tags.get(PARENT, "") for run in bulk.find(self._runs, failures, ("tags",)))
        for where in parents:
            for run in bulk.find(self._runs, where, ("params", "tags")):
                if run.run_id in below:
                    self._describe(run, below[run.run_id], failed[run.run_id])

    def _describe(self, run: bulk.StoredRun, found: Sequence[LoggedPoint], failed: int) -> None:
        """Put the table of what is recorded under a curve or a search on its run, and totals."""
        ordered = sorted(found, key=lambda logged: -logged.point.result.density)
        points = [logged.point for logged in ordered]
        if run.tags.get(schema.KIND) == "study":
            cost, shares = self._shares(run.run_id)
            limit = float(run.params[schema.MAX_COST]) if schema.MAX_COST in run.params else None
            heading = markdown.search_heading(run.name, len(points), points[0].identity.primary, cost, limit)
            front = _front(ordered, shares, limit)
            own = [shares.get(logged.run_id, logged.point.result.density) for logged in front] if shares else []
            note = markdown.description(heading, [logged.point for logged in front], (cost, own))
        else:
            note = markdown.description(markdown.curve_heading(points[0]), points)
        digest = hashlib.sha256(f"{note}{failed}".encode()).hexdigest()
        if run.tags.get(schema.DIGEST) == digest:
            return
        totals, tags = list(_totals(points, failed)), {markdown.TAG: note, schema.DIGEST: digest}
        with self._runs.lock:
            self._runs.fill(self._runs.client.get_run(run.run_id), {}, totals, {}, tags=tags)

    def _shares(self, search: str) -> tuple[str, Mapping[str, float]]:
        """The cost that a search makes small, and its share by the run of each point; none of density."""
        found = {
            (run.run_id, name.removeprefix(schema.SHARE)): value
            for run in bulk.find(self._runs, {**_FINISHED, f"tags.{PARENT}": search}, ("metrics",))
            for name, value in run.metrics.items()
            if name.startswith(schema.SHARE)
        }
        return next((name for _, name in found), "density"), {run: value for (run, _), value in found.items()}


def _logged(run: bulk.StoredRun) -> LoggedPoint | None:
    from pruneexp.schema.columns import LoggedPoint

    try:
        identity, result = schema.read_point(schema.with_hashes(run.params, run.tags), run.metrics)
    except (KeyError, ValueError):
        return None
    disconnected = run.tags.get(schema.DISCONNECTED) == "true"
    point = schema.TradeoffPoint(identity=identity, result=result, disconnected=disconnected)
    return LoggedPoint(run.run_id, "", run.started, point)


def _front(trials: Sequence[LoggedPoint], shares: Mapping[str, float], limit: float | None = None) -> list[LoggedPoint]:
    """Trials that no other one beats in the primary metric on val at their cost or below, the most costly first.

    None of them costs more than a ``limit``.
    """
    costs = {place: shares.get(trial.run_id, trial.point.result.density) for place, trial in enumerate(trials)}
    scores = {
        place: (_merit(trials[place].point), cost) for place, cost in costs.items() if limit is None or cost <= limit
    }
    return [trials[place] for place in reversed(pareto_front(scores))]


def _merit(trial: schema.TradeoffPoint) -> float:
    metric, val = trial.identity.primary, trial.result.val
    return metric.merit(val.dense[metric.name], val.after[metric.name])


def _totals(points: Sequence[schema.TradeoffPoint], failed: int) -> Iterator[Value]:
    """One may fall, and MLflow takes the latest for the present one."""
    for name in (schema.SECONDS, schema.STAGES, schema.CACHE_HITS):
        yield Value(name, sum(schema.derived(point)[name] for point in points))
    yield Value(schema.RECORDED, len(points))
    yield Value(schema.FAILED, failed)
