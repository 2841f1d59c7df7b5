"""What finished work leaves in MLflow's user interface, and the address that a command says last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from pruneexp.config.skeleton import RuntimeConfig
from pruneexp.errors import UserError
from pruneexp.experiment.display import Display
from pruneexp.experiment.session import Record, Session, courier_of
from pruneexp.tracking import Courier, Link, Tracker, opener


def show_record(session: Session, record: Record, view: str) -> None:
    """Describe a curve or a search, renew the summaries over its seeds, and say where it is drawn.

    ``view`` is the name or the title of the page. A job of a sweep says nothing: the sweep does, once.
    """
    runtime = session.spec.runtime
    links = _provision(
        runtime, session.courier, session.display,
        lambda tracker: tracker.describe(record.tracker.stored_as(record.run_id)),
    )  # fmt: skip
    if not _of_many(runtime):
        _say(links, view, session.courier, session.display)


def show_page(session: Session, view: str) -> None:
    """Say where a view of this kind is; the plain page of runs where there is none."""
    links = _provision(session.spec.runtime, session.courier, session.display)
    _say(links, view, session.courier, session.display)


def show_sweep(runtime: RuntimeConfig, display: Display) -> None:
    """Say where what the jobs of a sweep have recorded is drawn."""
    courier = courier_of(runtime, display)
    _say(_provision(runtime, courier, display), "tradeoff", courier, display)


def _of_many(runtime: RuntimeConfig) -> bool:
    """Whether this is a job of a sweep, or of any sweeper that runs it within its own process."""
    swept = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    return runtime.job is not None or swept


def _provision(
    runtime: RuntimeConfig, courier: Courier, display: Display, first: Callable[[Tracker], None] = lambda tracker: None
) -> Sequence[Link]:
    """Nothing of this is worth failed work: ``python -m pruneexp.dashboard`` does it again at any time."""
    if not runtime.dashboard:
        return []
    try:
        tracker = courier.tracker()
        if tracker is None:
            return []
        first(tracker)
        return tracker.board.provision()
    except UserError as error:
        display.note(f"everything is recorded, but not the views of it: {error}")
        return []


def _say(links: Sequence[Link], view: str, courier: Courier, display: Display) -> None:
    if links:
        link = next((link for link in links if view in (link.name, link.title)), links[-1])
        command = opener(courier.uri)
        display.say(f"dashboard {link.address}" + (f" (after: {command})" if command else ""))
