"""What of a curve is recorded already; reads, and makes neither a database nor an experiment."""

from __future__ import annotations

from pruneexp import schema
from pruneexp.tracking.runs import active, kind, quoted
from pruneexp.tracking.stores import explained, open_client, resolved, sqlite_path


class Recorded:
    """The finished curves of one experiment of one tracking store."""

    def __init__(self, uri: str, experiment: str) -> None:
        """Connect, where there is something to connect to.

        Raises:
            UserError: the store cannot be used, or the experiment lies deleted in it.
        """
        self._uri = resolved(uri)
        path = sqlite_path(self._uri)
        self._experiment: str | None = None
        if path is not None and not path.exists():
            return
        self._client = open_client(self._uri)
        with explained(self._uri, "asked for its experiments"):
            found = self._client.get_experiment_by_name(experiment)
        if found is not None:
            self._experiment = active(found, self._uri)

    def points(self, curve_key: str) -> frozenset[str]:
        """Keys of the complete points of a curve; none where its own run is gone or was not finished."""
        if self._experiment is None:
            return frozenset()
        finished = "attributes.status = 'FINISHED'"
        of_curve = f"tags.`{schema.CURVE_KEY}` = {quoted(curve_key)} and {finished}"
        with explained(self._uri, "read"):
            search = self._client.search_runs
            if not search([self._experiment], f"{of_curve} and {kind('curve')}", max_results=1):
                return frozenset()
            runs = search([self._experiment], f"{of_curve} and {kind('point')}", max_results=50_000)
            return frozenset(run.data.tags[schema.POINT_KEY] for run in runs)
