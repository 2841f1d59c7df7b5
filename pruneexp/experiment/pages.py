"""What finished work leaves in MLflow's user interface, and the address that a command says last."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from pruneexp.cache.store import Store
from pruneexp.config.skeleton import RuntimeConfig
from pruneexp.errors import UserError
from pruneexp.experiment.display import Display
from pruneexp.experiment.session import Record, Session, recording_of
from pruneexp.tracking import PageLink, Recording, opener


def show_record(session: Session, record: Record, view: str) -> None:
    """Describe a curve or a search, renew the summaries over its seeds, and say where it is drawn.

    ``view`` is the name or the title of the page. A job of a sweep says nothing: the sweep does, once.
    """
    _show(session.spec.runtime, session.recording, session.display, view, record)


def show_page(session: Session, view: str) -> None:
    """Say where a view of this kind is; the plain page of runs where there is none."""
    _show(session.spec.runtime, session.recording, session.display, view)


def show_sweep(runtime: RuntimeConfig, display: Display) -> None:
    """Say where what the jobs of a sweep have recorded is drawn."""
    _show(runtime, recording_of(runtime, Store(Path(runtime.store)), display), display, "tradeoff")


def _show(
    runtime: RuntimeConfig, recording: Recording, display: Display, view: str, record: Record | None = None
) -> None:
    """Nothing of this is worth failed work: ``python -m pruneexp.dashboard`` does it again at any time."""
    if not runtime.dashboard:
        return
    try:
        tracker = recording.tracker()
        if tracker is None:
            return
        run_id = None if record is None else record.run_id()
        if run_id is not None:
            tracker.describe(run_id)
        links = tracker.board().provision()
    except UserError as error:
        display.note(f"everything is recorded, but not the views of it: {error}")
        return
    if record is None or not _of_many(runtime):
        link = next((link for link in links if _is_of(view, link)), links[-1])
        command = opener(recording.uri)
        display.say(f"dashboard {link.address}" + (f" (after: {command})" if command else ""))


def _of_many(runtime: RuntimeConfig) -> bool:
    """Whether this is a job of a sweep, or of any sweeper that runs it within its own process."""
    swept = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    return runtime.job is not None or swept


def _is_of(view: str, link: PageLink) -> bool:
    """Whether a page is of a view; of one that there is for each network or search, the first is of the newest."""
    return view in (link.name, link.title) or link.name.startswith(f"{view}-")
