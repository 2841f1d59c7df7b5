"""Which stored results the records of a tracking store refer to."""

from __future__ import annotations

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.tracking.runs import runs_of
from pruneexp.tracking.stores import experiments, explained, open_client, resolved, sqlite_path

#: Params that hold the key of a stored result.
KEYS = ("dense_key", "mask_key", "final_key", "scan_key")
#: Jobs replace summaries all the time, which shifts the pages of a search; they refer to nothing.
_QUERY = f"tags.`{schema.KIND}` != 'summary'"


def recorded(uri: str) -> set[str]:
    """Keys in every run of ours in every experiment, as long as neither was deleted.

    Raises:
        UserError: the store cannot be read, or is not there.
    """
    uri = resolved(uri)
    path = sqlite_path(uri)
    if path is not None and not path.exists():
        raise UserError(f"The tracking store {uri} is not there.")
    client = open_client(uri)
    with explained(uri, "read"):
        return {
            run.data.params[name]
            for experiment in experiments(client)
            for run in runs_of(client, experiment.experiment_id, _QUERY)
            for name in KEYS
            if name in run.data.params
        }
