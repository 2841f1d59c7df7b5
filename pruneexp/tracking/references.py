"""Which stored results the records of a tracking store refer to: those recorded, and those that wait in a spool."""

from __future__ import annotations

from pathlib import Path

from pruneexp import schema
from pruneexp.errors import UserError
from pruneexp.tracking.runs import runs_of
from pruneexp.tracking.spool import Spool
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


def waiting_in(root: Path) -> set[str]:
    """Keys in the letters below a spool's folder, which stays as it is.

    Raises:
        UserError: a letter cannot be read, or was set aside because of that.
    """
    keys: set[str] = set()
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else ():
        spool = Spool.at(folder)
        unread = [f"{path} is damaged: delete it when its command has recorded it again" for path in spool.damaged()]
        for _, letter in spool.letters(unread.append, look_only=True):
            identity = {**letter.body.get("identity", {}), **(letter.parent.params if letter.parent else {})}
            keys |= {str(identity[name]) for name in KEYS if name in identity}
        if unread:
            raise UserError(f"A record that waits refers to results that cannot be told: {unread[0]}")
    return keys
