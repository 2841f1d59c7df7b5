"""Has a file put on a run by the one writer of tracking stores; nothing else of this package is ever written to one."""

from __future__ import annotations

from analysis.records import addresses
from analysis.records.uris import sqlite_path


def attach(uri: str, experiment: str, sweep: str, run_id: str, name: str, text: str) -> str:
    """Put a text file on the run of a sweep, which is made where there is none, or else on the run of this id.

    Returns:
        Where it is to be seen: an address, with the command that serves the user interface where no server does.

    Raises:
        UserError: the store cannot be written.
    """
    from pruneexp.tracking import Tracker

    path = sqlite_path(uri)
    tracker = Tracker(uri if path is None else f"sqlite:///{path}", experiment)
    run_id = tracker.sweep(sweep) if sweep else run_id
    tracker.attach(run_id, {name: text})
    command = "" if path is None else f" (after: {addresses.opener(uri)})"
    return f"{tracker.board().page_of(run_id, name)}{command}"
