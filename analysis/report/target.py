"""The one run that a page is attached to: that of the sweep, else of the one curve, study or scan that it is about."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from analysis.report.subject import Subject
from pruneexp.errors import UserError

#: Candidates that the sentence names before it only counts them.
MOST_NAMED = 6


class Target(NamedTuple):
    """``name`` is for people; of a sweep ``run_id`` is empty, as its run may have to be made."""

    experiment: str
    sweep: str
    run_id: str
    name: str


def target(subject: Subject) -> Target:
    """The sweep of the curves and studies, or the one of them that is of no sweep; without points the one scan.

    Raises:
        UserError: they are several, of which the sentence says how to choose one; or none.
    """
    counts = Counter(_candidates(subject))
    if not counts:
        raise UserError("--attach: the runs of the curves that these points are of are not there.")
    if len(counts) > 1:
        named = [f"{one.name} ({count})" if one.sweep else one.name for one, count in sorted(counts.items())]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        raise UserError(
            "--attach puts the page on the run of one sweep, or of one curve, study or scan, and these records are of "
            f"{'; '.join(named[:MOST_NAMED])}{more}: choose one with --where (sweep=NAME), or --experiment."
        )
    return next(iter(counts))


def _candidates(subject: Subject) -> list[Target]:
    if not subject.above and subject.scans is not None:
        rows = subject.scans[["experiment", "run_id"]].itertuples(index=False, name=None)
        return [Target(experiment, "", run_id, f"scan {run_id}") for experiment, run_id in rows]
    return [
        Target(one.experiment, one.sweep, "", f"sweep {one.sweep}")
        if one.sweep
        else Target(one.experiment, "", one.run_id, f"{one.kind} {one.name}")
        for one in subject.above
    ]
