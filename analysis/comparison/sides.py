"""What the two sides of a comparison are, and the points that each holds.

Knows how points are read and chosen, and not what is compared of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analysis import records
from analysis.publishing import materials
from analysis.publishing.materials import Supply
from analysis.records.frames import POINTS
from analysis.statistics import selection
from analysis.statistics.matching import SIDE
from pruneexp.errors import UserError, guess, redact


class SideRequest(NamedTuple):
    """One side as it was asked for: ``origin`` is "experiment", "sweep", or empty for either, of the ``name``.

    Without a name it is the experiments that are read by default. ``called`` is how the user put it.
    """

    called: str
    origin: str
    name: str
    conditions: Mapping[str, Sequence[str]]


class Reading(NamedTuple):
    """Where the points of both sides are read: ``experiments`` are those of a side without a name.

    ``conditions`` hold for both sides.
    """

    uri: str
    experiments: Sequence[str]
    conditions: Mapping[str, Sequence[str]]
    copies: Path | None


def sides(asked: tuple[SideRequest, SideRequest], reading: Reading) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The points of both sides, with the column ``SIDE``, the first side first; and sentences on what is left out.

    Of a point that was recorded again only the last counts, on each side by itself.

    Raises:
        UserError: nothing has one of the names, a side has no point, or both sides share some.
    """
    if asked[0].called == asked[1].called:
        raise UserError(f"both sides are {asked[0].called}: name two different ones.")
    known = records.experiments(reading.uri)
    named = [_resolved(one, known, reading.uri) for one in asked]
    wanted = _experiments(named, known, reading)
    logged, notes = materials.read(reading.uri, wanted, ["points"], reading.copies)
    supply = Supply(logged, reading.conditions, reading.uri, f"experiment {', '.join(wanted)}")
    rows = supply.chosen("points")
    if any("sweep" in (one.origin, *one.conditions) for one in named):
        rows = materials.with_sweeps(rows, POINTS, reading.uri)
    chosen = [_chosen(one, rows, reading) for one in named]
    first, second = (selection.latest(found).assign(**{SIDE: one.called})
                     for one, found in zip(named, chosen, strict=True))  # fmt: skip
    _check_apart(asked, first, second)
    repeated = _repeated(asked[0], chosen[0], first), _repeated(asked[1], chosen[1], second)
    return pd.concat([first, second], ignore_index=True), (*notes, *filter(None, repeated))


def _resolved(one: SideRequest, experiments: Sequence[str], uri: str) -> SideRequest:
    """A side whose name is known to be that of an experiment, which comes first, or of a sweep."""
    if not one.name:
        return one
    if one.origin != "sweep" and one.name in experiments:
        return one._replace(origin="experiment")
    sweeps = sorted(set(records.sweeps(uri, POINTS.name, experiments).values()))
    if one.origin != "experiment" and one.name in sweeps:
        return one._replace(origin="sweep")
    known = {"experiment": list(experiments), "sweep": sweeps}.get(one.origin, [*experiments, *sweeps])
    raise UserError(
        f"{redact(uri)} has no {one.origin or 'experiment or sweep'} {one.name!r}{guess(one.name, known)}; it has "
        f"{', '.join(known) or 'none'}."
    )


def _experiments(named: Sequence[SideRequest], known: Sequence[str], reading: Reading) -> list[str]:
    """What has to be read: a sweep may have recorded in any experiment."""
    if any(one.origin == "sweep" for one in named):
        return list(known)
    found = [[one.name] if one.name else list(reading.experiments) for one in named]
    return list(dict.fromkeys(name for names in found for name in names))


def _chosen(one: SideRequest, rows: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """All points of a side, those that were recorded again included."""
    origin, names = (one.origin, [one.name]) if one.name else ("experiment", list(reading.experiments))
    of_origin = rows[rows[origin].isin(names)]
    if of_origin.empty:
        raise UserError(f"{one.called} has no finished point of a curve that meets the conditions of both sides.")
    return selection.where(of_origin, one.conditions)


def _repeated(one: SideRequest, found: pd.DataFrame, counted: pd.DataFrame) -> str:
    left = len(found) - len(counted)
    return f"{left} of {len(found)} points of {one.called} were logged again later and are left out" if left else ""


def _check_apart(asked: tuple[SideRequest, SideRequest], first: pd.DataFrame, second: pd.DataFrame) -> None:
    a, b = (one.called for one in asked)
    runs, others = set(first["run_id"]), set(second["run_id"])
    if runs == others:
        raise UserError(f"{a} and {b} are the same {len(runs)} points: name two different sides.")
    if both := runs & others:
        raise UserError(
            f"{len(both)} points are on both sides, {a} and {b}: choose sides that exclude each other, each by a value "
            "of one setting."
        )
