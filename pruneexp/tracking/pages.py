"""Opening the pages of experiments that exist: nothing is made here, not even an empty database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pruneexp import schema
from pruneexp.errors import UserError, redact
from pruneexp.tracking.board import Board
from pruneexp.tracking.reports import Reports
from pruneexp.tracking.runs import Runs
from pruneexp.tracking.stores import experiments, explained, open_client, resolved, sqlite_path, store_lock


class Pages:
    """One experiment whose views are to be provisioned, from all that is recorded in it."""

    def __init__(self, name: str, runs: Runs) -> None:
        self.name = name
        self._runs, self._lock = runs, store_lock(runs.uri)
        self.board = Board(runs, self._lock)

    def holds_ours(self) -> bool:
        """Whether any run here is of this project."""
        query = f"tags.`{schema.KIND}` != ''"
        return bool(self._runs.client.search_runs([self._runs.experiment_id], query, max_results=1))

    def summarise(self, say: Callable[[str], None] = lambda _: None) -> int:
        """Renew the descriptions of curves and searches, and the summaries over seeds; how many summaries there are.

        ``say`` is told what is being done.

        Raises:
            UserError: nothing of this project is recorded here.
        """
        uri = self._runs.uri
        with explained(uri, "written"):
            if not self.holds_ours():
                raise UserError(f"The experiment {self.name!r} of {redact(uri)} is empty: it has no run of pruneexp.")
            return Reports(self._runs, self._lock, shared=sqlite_path(uri) is None).of_all(say)


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
        chosen = [Pages(name, Runs(client, uri, name)) for name in names or sorted(existing)]
        found = chosen if names else [pages for pages in chosen if pages.holds_ours()]
    if not found:
        raise UserError(f"{redact(uri)} has no experiment with runs of pruneexp: record some first.")
    return found
