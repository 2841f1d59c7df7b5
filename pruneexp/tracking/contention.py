"""One run of each thing, also where several machines record it on one server at the same moment.

A server offers no lock that they could share. So nobody takes away what another may be writing before his own run is
whole; then every writer looks again, and of the whole runs all but the first, by start and then by id, are withdrawn,
which each can do for all. Two who withdraw each other's run, each having seen the other's unfinished, notice it, as
MLflow keeps what is deleted: both bring theirs back and look once more, now at whole runs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pruneexp.tracking.runs import Runs, Where

if TYPE_CHECKING:
    from mlflow.entities import Run

#: Within which a writer who looked and found nothing has made his run, for everybody to see.
SEEN_SECONDS = 0.5
#: The status of a run that is complete.
WHOLE = "FINISHED"
#: Two at once settle it in three looks.
_LOOKS = 20


def rank(run: Run) -> tuple[int, str]:
    return run.info.start_time, run.info.run_id


def whole(run: Run) -> bool:
    return str(run.info.status) == WHOLE


def settle(runs: Runs, where: Where, own: Run) -> bool:
    """Leave one whole run of all that match; whether it is ``own``, which is whole by now."""
    for _ in range(_LOOKS):
        found = list(runs.find(where))
        first = min(filter(whole, found), key=rank, default=None)
        if first is None:
            runs.client.restore_run(own.info.run_id)
            continue
        if len(found) == 1:
            return bool(first.info.run_id == own.info.run_id)
        for run in found:
            if run.info.run_id != first.info.run_id:
                runs.client.delete_run(run.info.run_id)
    return True


def agree(runs: Runs, where: Where, own: Run) -> Run:
    """The run that all who have just made one that matches take, found alike by each: of a curve, nobody's is whole.

    Each withdraws only its own. To agree, all must see the same, hence the wait.
    """
    time.sleep(SEEN_SECONDS)
    first = min(runs.find(where), key=rank, default=own)
    if first.info.run_id != own.info.run_id:
        runs.client.delete_run(own.info.run_id)
    return first
