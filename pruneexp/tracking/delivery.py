"""From the spool into the store: each letter under its key, so that one delivered twice is written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from filelock import Timeout

from pruneexp.errors import UserError
from pruneexp.tracking.artefacts import Parent
from pruneexp.tracking.letters import post
from pruneexp.tracking.spool import Spool, Waiting
from pruneexp.tracking.stores import answers
from pruneexp.tracking.tracker import Tracker

#: How long a job that delivers the same records is waited for.
_OTHERS_SECONDS = 30.0


@dataclass(frozen=True)
class Delivered:
    """``records`` have arrived; ``runs`` are the ids of their parents by key; ``stuck`` says why others have not."""

    records: int
    runs: Mapping[str, str]
    stuck: str | None


def deliver(spool: Spool, tracker: Tracker, say: Callable[[str], None]) -> Delivered:
    """Deliver what waits; the caller holds the spool's lock. Ends early where the store does not answer any more."""
    before = spool.records()
    runs: dict[str, str] = {}
    stuck: str | None = None
    for path, letter in spool.letters(say):
        try:
            post(letter, tracker, _run_of(letter.parent, tracker, runs))
        except UserError as error:
            stuck = str(error)
            if not answers(tracker.uri):
                break
            continue
        except (KeyError, ValueError, TypeError) as error:
            stuck = f"{path} cannot be read by this version ({type(error).__name__}: {error})."
            continue
        path.unlink(missing_ok=True)
    return Delivered(max(0, before - spool.records()), runs, stuck)


def deliver_all(found: Waiting, uri: str, say: Callable[[str], None]) -> int:
    """Open the store of what waits, ``uri`` with its password, and deliver; how many records arrived.

    Raises:
        UserError: the store cannot be used, or another process is delivering.
    """
    spool = Spool.at(found.folder)
    tracker = Tracker(uri, found.experiment)
    try:
        with spool.lock().acquire(timeout=_OTHERS_SECONDS):
            done = deliver(spool, tracker, say)
    except Timeout as error:
        raise UserError(f"Another process is delivering what waits in {found.folder}.") from error
    if done.stuck:
        say(done.stuck)
    return done.records


def _run_of(parent: Parent | None, tracker: Tracker, runs: dict[str, str]) -> str:
    if parent is None:
        return ""
    if parent.key not in runs:
        runs[parent.key] = tracker.restore(parent)
    return runs[parent.key]
