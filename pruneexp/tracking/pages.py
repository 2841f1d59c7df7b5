"""Opening the pages of experiments that exist: nothing is made here, not even an empty database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pruneexp import schema
from pruneexp.errors import UserError, redact
from pruneexp.tracking.board import Board
from pruneexp.tracking.reports import FINISHED, describe, newest, read_points, renew
from pruneexp.tracking.runs import Runs, kind
from pruneexp.tracking.stores import experiments, explained, open_client, resolved, sqlite_path, store_lock
from pruneexp.tracking.summaries import Point

if TYPE_CHECKING:
    from mlflow.entities import Run


class Pages:
    """One experiment whose views are to be provisioned, from all that is recorded in it."""

    def __init__(self, name: str, runs: Runs, uri: str) -> None:
        self.name = name
        self._runs, self._uri, self._lock = runs, uri, store_lock(uri)

    @property
    def board(self) -> Board:
        return Board(self._runs, self._uri, self._lock)

    def holds_ours(self) -> bool:
        """Whether any run here is of this project."""
        query = f"tags.`{schema.KIND}` != ''"
        return bool(self._runs.client.search_runs([self._runs.experiment_id], query, max_results=1))

    def summarise(self, say: Callable[[str], None] = lambda _: None) -> int:
        """Describe what has no description of all its points, and renew the summaries over seeds; how many there are.

        Jobs that record meanwhile wait for one curve or one group of summaries at most. ``say`` is told what is being
        done, because MLflow takes 8 ms for every run that it reads.

        Raises:
            UserError: nothing of this project is recorded here.
        """
        with explained(self._uri, "written"):
            seen = newest(self._runs)
            say("reading its points")
            points = list(read_points(self._runs, FINISHED))
            if not points and not self.holds_ours():
                raise UserError(
                    f"The experiment {self.name!r} of {redact(self._uri)} is empty: it has no run of pruneexp."
                )
            outdated = self._outdated(points)
            if outdated:
                say(f"describing curves and searches: {len(outdated)}")
            for run in outdated:
                with self._lock:
                    describe(self._runs, run)
            if points:
                say(f"summarising points: {len(points)}")
            return self._renewed(points, seen)

    def _outdated(self, points: Sequence[Point]) -> list[Run]:
        """Curves and searches that tell of more or fewer points than they have, or of none yet."""
        count = Counter(point.identity.study or point.identity.curve_key for point in points)
        curves = ((run, run.data.tags.get(schema.CURVE_KEY, "")) for run in self._runs.find(kind("curve")))
        studies = ((run, run.data.params.get("study", "")) for run in self._runs.find(kind("study")))
        return [run for run, key in (*curves, *studies) if run.data.metrics.get(schema.RECORDED, 0) != count[key]]

    def _renewed(self, points: Sequence[Point], seen: str) -> int:
        contests: dict[str, list[Point]] = defaultdict(list)
        for point in points:
            if not point.identity.study:
                contests[schema.contest_of(point.identity)].append(point)
        found = contests.values()
        count = sum(renew(self._runs, self._lock, members[0].identity, seen, members) for members in found)
        with self._lock:
            if newest(self._runs) == seen:
                for run in list(self._runs.find(kind("summary"))):
                    if run.data.tags.get(schema.CONTEST) not in contests:
                        self._runs.client.delete_run(run.info.run_id)
        return count


def open_pages(uri: str, names: Sequence[str]) -> list[Pages]:
    """The named experiments, or all that hold runs of this project.

    Raises:
        UserError: the store cannot be read, or an experiment is missing, deleted, or not of this project.
    """
    uri = resolved(uri)
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise UserError(f"There is no database {path}: nothing has been recorded there (--tracking-uri).")
    client = open_client(uri)
    with explained(uri, "asked for its experiments"):
        existing = {found.name for found in experiments(client)}
        for name in names:
            if name not in existing and client.get_experiment_by_name(name) is None:
                known = ", ".join(sorted(set(existing) - {"Default"})) or "none"
                raise UserError(f"{redact(uri)} has no experiment {name!r}; it has {known} (--experiment).")
        chosen = [Pages(name, Runs(client, uri, name), uri) for name in names or sorted(existing)]
        if names:
            return chosen
        ours = [pages for pages in chosen if pages.holds_ours()]
    if not ours:
        raise UserError(f"{redact(uri)} has no experiment with runs of pruneexp: record some first.")
    return ours
