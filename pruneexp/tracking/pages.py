"""Opening the pages of experiments that exist: nothing is made here, not even an empty database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pruneexp import schema
from pruneexp.errors import UserError, redact
from pruneexp.tracking.board import Board
from pruneexp.tracking.reports import Reports
from pruneexp.tracking.runs import Runs
from pruneexp.tracking.stores import PAGE, explained, open_client, paged, resolved, sqlite_path


@dataclass(frozen=True)
class Pages:
    """One experiment: its views, and what they show beside what was recorded."""

    name: str
    board: Board
    reports: Reports


def open_pages(uri: str, names: Sequence[str]) -> list[Pages]:
    """The named experiments, or all that hold runs of this project.

    Raises:
        UserError: the store cannot be read, or an experiment is missing, deleted, or not of this project.
    """
    uri = resolved(uri)
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise UserError(f"There is no database {path}: nothing has been recorded there (--tracking-uri).")
    client, found = open_client(uri), []
    with explained(uri, "asked for its experiments"):
        experiments = paged(lambda token: client.search_experiments(max_results=PAGE, page_token=token))
        existing = {experiment.name for experiment in experiments}
        for name in names or sorted(existing):
            if name not in existing and client.get_experiment_by_name(name) is None:
                known = ", ".join(sorted(existing - {"Default"})) or "none"
                raise UserError(f"{redact(uri)} has no experiment {name!r}; it has {known} (--experiment).")
            runs = Runs(client, uri, name)
            if any(runs.has({f"tags.{schema.KIND}": kind}) for kind in ("curve", "study", "scan", "point")):
                found.append(Pages(name, Board(runs), Reports(runs)))
            elif names:
                raise UserError(f"The experiment {name!r} of {redact(uri)} is empty: it has no run of pruneexp.")
    if not found:
        raise UserError(f"{redact(uri)} has no experiment with runs of pruneexp: record some first.")
    return found
