"""The one run that a page is attached to: that of the sweep, else of the one curve, study or scan that it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from analysis import records
from analysis.names import counted, listed
from analysis.records.uris import kept_path
from analysis.report.subject import Subject, columns
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
    """The sweep that recorded the points, or the one curve or study of points of no sweep; without points the one scan.

    Raises:
        UserError: they are several, of which the sentence says how to choose one; or none, as of kept records.
    """
    if kept_path(subject.uri) is not None:
        raise UserError(f"{subject.uri}: kept records have no run to put a page on; name their tracking store.")
    counts = Counter(_of_scans(subject) if subject.points is None else _of_points(subject, subject.points))
    noun = "scan" if subject.points is None else "point"
    if not counts:
        raise UserError("--attach: the runs of the curves that these points are of are not there.")
    if len(counts) > 1:
        named = [f"{one.name} ({counted(count, noun)})" for one, count in sorted(counts.items())]
        raise UserError(
            "--attach puts the page on the run of one sweep, or of one curve, study or scan, and these records are of "
            f"{listed(named, MOST_NAMED, '; ')}: choose one with --where (sweep=NAME), or --experiment."
        )
    return next(iter(counts))


def _of_points(subject: Subject, points: pd.DataFrame) -> Iterator[Target]:
    """One for each point whose sweep, curve or study is there."""
    sweeps = records.sweeps(subject.uri, "point", subject.experiments())
    above = {(one.experiment, one.column): one for one in subject.above}
    for run_id, experiment, column in zip(points["run_id"], points["experiment"], columns(points), strict=True):
        sweep, over = sweeps.get(run_id), above.get((experiment, column))
        if sweep:
            yield Target(experiment, sweep, "", f"sweep {sweep}")
        elif over:
            yield Target(experiment, "", over.run_id, f"{over.kind} {over.name}")


def _of_scans(subject: Subject) -> Iterator[Target]:
    assert subject.scans is not None
    for run_id, experiment in zip(subject.scans["run_id"], subject.scans["experiment"], strict=True):
        yield Target(experiment, "", run_id, f"scan {run_id}")
