"""What a finished job leaves in MLflow's user interface, and the address that it says last."""

from __future__ import annotations

from collections.abc import Callable

from pruneexp.errors import UserError
from pruneexp.experiment.session import Record, Session
from pruneexp.tracking import Tracker, opener


def show_record(session: Session, record: Record, view: str) -> None:
    """Describe a curve or a search, renew the summaries over its seeds, and say where it is drawn."""
    _show(session, view, lambda tracker: tracker.describe(record.tracker.stored_as(record.run_id)))


def show_page(session: Session, view: str) -> None:
    """Say where a view of this kind is; the plain page of runs where there is none."""
    _show(session, view, lambda tracker: None)


def _show(session: Session, view: str, first: Callable[[Tracker], None]) -> None:
    """Nothing of this is worth a failed job: ``python -m pruneexp.dashboard`` does it again at any time."""
    if not session.config.runtime.dashboard:
        return
    try:
        tracker = session.courier.tracker()
        if tracker is None:
            return
        first(tracker)
        links = tracker.board.provision()
    except UserError as error:
        session.display.note(f"everything is recorded, but not the views of it: {error}")
        return
    link = next((link for link in links if link.name.startswith(view)), links[-1])
    command = opener(tracker.uri)
    session.display.say(f"dashboard {link.address}" + (f" (after: {command})" if command else ""))
