"""What publications are made of: how each material is read from a store, framed, chosen from and counted once.

Knows no publication, and neither a terminal nor a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analysis import records
from analysis.publishing.catalogue import Material
from analysis.records import frames, layer_frames, measured_frames, origin_frames, parents, scan_frames
from analysis.records.runs import Logbook, LoggedScan
from analysis.statistics import selection, settings
from analysis.statistics.conditions import hashed
from pruneexp.errors import UserError, redact
from pruneexp.schema import TOP1, MeasuredPoint

#: Points that are read one by one, at most.
_MOST = 1_000


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


def _as_read(frame: pd.DataFrame, _: str) -> pd.DataFrame:
    return frame


def _with_layers(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    """Layers are read of few points only: those of one budget of one curve, over its seeds."""
    selection.repetitions(points)
    return layer_frames.frame(points, records.layers(uri, points["run_id"]))


def _with_weights(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    """As ``_with_layers``, of the points whose weights were counted."""
    selection.repetitions(points)
    return layer_frames.weights(points, records.weights(uri, points["run_id"]))


def _with_courses(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    """Points with their val scores by epoch of retraining; those without are left out."""
    _check_few(points)
    metrics = points["metric.name"].fillna(TOP1.name)
    names = dict(zip(points["run_id"], map(records.course_name, metrics), strict=True))
    return frames.with_courses(points, records.courses(uri, names))


def _with_retrainings(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    """Points with what retraining did to them; those that were not looked at are left out."""
    return frames.with_retrainings(points, records.retrainings(uri, sorted(points["experiment"].unique())))


def _check_few(points: pd.DataFrame) -> None:
    """Refuse what asks the store for each of very many points."""
    if len(points) > _MOST:
        raise UserError(f"this reads each point by itself, {_MOST:,} at most, and {len(points):,} are chosen: choose "
                        "fewer with --where.")  # fmt: skip


def _measurements(points: pd.DataFrame, uri: str) -> Mapping[str, MeasuredPoint]:
    return records.measurements(uri, sorted(points["experiment"].unique()))


def _beside_points(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    return measured_frames.beside(points, _measurements(points, uri))


def _with_stability(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    return measured_frames.with_stability(points, records.stability(uri, sorted(points["experiment"].unique())))


def _with_trials(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    """The points, with the ``sampler`` of the search that asked for each; absent of those of curves."""
    above = parents.parents(uri, sorted(points["experiment"].unique()))
    found = {one.column: one.sampler for one in above if one.kind == "study"}
    return _beside_points(points, uri).assign(sampler=points["study"].map(found))


def _in_forms(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    return measured_frames.forms(points, _measurements(points, uri))


def _with_origins(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    """The points with what the runs of their curves tell of code, packages and machine."""
    above = parents.parents(uri, sorted(points["experiment"].unique()))
    wanted = {(one.experiment, one.column): one.run_id for one in above}
    known = parents.origins(uri, wanted.values())
    origins = {key: known[run_id] for key, run_id in wanted.items() if run_id in known}
    return origin_frames.frame(points, origins)


class MaterialSource(NamedTuple):
    """One material: ``noun`` is what one of its records is called, ``command`` makes one.

    Materials with the same ``read`` are parts of one frame, made once; ``part`` takes theirs of it. ``completed`` adds
    what is read from the store, at the URI, of the chosen records alone.
    """

    kind: frames.Kind
    noun: str
    command: str
    read: Callable[[str, Sequence[str] | None, Path | None], Logbook[Any]]
    frame: Callable[[Any], pd.DataFrame]
    part: Callable[[pd.DataFrame], pd.DataFrame] = _whole
    completed: Callable[[pd.DataFrame, str], pd.DataFrame] = _as_read


def _scans(uri: str, experiments: Sequence[str] | None, _: Path | None) -> Logbook[tuple[LoggedScan, ...]]:
    """Of scans no copy is kept: they are few, and what they are made of lies in files that can be written again."""
    return records.scans(uri, experiments)


_RUN, _SCAN = "python -m pruneexp", "python -m sweeps study=sensitivity"
_POINTS = MaterialSource(frames.POINTS, "finished point", _RUN, records.points, frames.frame)
_OF_CURVES = _POINTS._replace(noun="finished point of a curve", part=selection.of_curves)
SOURCES: Mapping[Material, MaterialSource] = {
    "points": _OF_CURVES._replace(completed=_beside_points),
    "points and trials": _POINTS._replace(completed=_with_trials),
    "forms": _POINTS._replace(completed=_in_forms),
    "layers": _POINTS._replace(completed=_with_layers),
    "weights": _POINTS._replace(completed=_with_weights),
    "courses": _POINTS._replace(part=selection.of_curves, completed=_with_courses),
    "retrainings": _POINTS._replace(part=selection.of_curves, completed=_with_retrainings),
    "points with stability": _OF_CURVES._replace(completed=_with_stability),
    "scans": MaterialSource(scan_frames.SCANS, "finished scan", _SCAN, _scans, scan_frames.frame),
    "points with origins": _OF_CURVES._replace(completed=_with_origins),
}


@dataclass(frozen=True)
class Supply:
    """All that was read, by material; of it, ``conditions`` choose, which have the values that a column may have.

    ``place`` says where in the store at ``uri`` it was looked for, ``notes`` what was left out when it was read.
    """

    logged: Mapping[Material, pd.DataFrame]
    conditions: Mapping[str, Sequence[str]]
    uri: str
    place: str
    notes: Sequence[str] = ()

    def chosen(self, material: Material) -> pd.DataFrame:
        """Everything that was logged and meets the conditions.

        Raises:
            UserError: there is nothing.
        """
        source, rows = SOURCES[material], self.logged[material]
        if rows.empty:
            raise UserError(f"there is no {source.noun} in {self.place}: run `{source.command}` first.")
        if "sweep" in self.conditions:
            rows = with_sweeps(rows, source.kind, self.uri)
        worded = {column: values for column, values in self.conditions.items() if _are_words(column, values)}
        others = {column: values for column, values in self.conditions.items() if column not in worded}
        rows = selection.where(rows, others, source.kind)
        if worded:
            chosen = selection.where(in_words(rows, source.kind, self.uri), worded, source.kind)
            rows = rows[rows["run_id"].isin(chosen["run_id"])].reset_index(drop=True)
        return rows

    def counted(self, material: Material) -> pd.DataFrame:
        """What was chosen, and of what was logged again only the last; raises as ``chosen`` does.

        Raises:
            UserError: the material is of one record only, and several were chosen.
        """
        source = SOURCES[material]
        return source.completed(selection.latest(self.in_words(material), source.kind), self.uri)

    def in_words(self, material: Material) -> pd.DataFrame:
        """What was chosen, with words for the hashes that tell records apart; raises as ``chosen`` does."""
        return in_words(self.chosen(material), SOURCES[material].kind, self.uri)

    def remarks(self) -> Iterator[str]:
        """A sentence on each kind of record of which some were logged again later."""
        widest = {
            SOURCES[name].kind.name: name for name in sorted(self.logged, key=lambda name: len(self.logged[name]))
        }
        for noun, material in widest.items():
            try:
                chosen = self.chosen(material)
            except UserError:
                continue  # nothing of it was chosen; a publication that needs it says so
            counted = selection.latest(chosen, SOURCES[material].kind)
            total, single = (rows["run_id"].nunique() for rows in (chosen, counted))
            if single < total:
                yield f"{total - single} of {total} {noun}s were logged again later and are left out"


def _are_words(column: str, values: Sequence[str]) -> bool:
    """Whether a condition names a hash by the words that are shown for it."""
    return hashed(column) and any(" " in value for value in values)


def in_words(rows: pd.DataFrame, kind: frames.Kind, uri: str) -> pd.DataFrame:
    """The same rows with words for the hashes that tell them apart (``analysis.statistics.settings``)."""

    def configurations(run_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        over = {run_id: run_id for run_id in run_ids}  # a scan carries its own, a point is under a curve or a study
        if kind is frames.POINTS:
            found = parents.parents(uri, sorted(rows["experiment"].unique()))
            by_column = {parent.column: parent.run_id for parent in found}
            chosen = rows.set_index("run_id").loc[list(run_ids), ["study", "curve_key"]]
            over = {run_id: by_column.get(study or curve, "") for run_id, study, curve in chosen.itertuples()}
        origins = parents.origins(uri, sorted(set(over.values())))
        return {run_id: origins[above].config for run_id, above in over.items() if above in origins}

    return settings.told(rows, kind, configurations)


def with_sweeps(rows: pd.DataFrame, kind: frames.Kind, uri: str) -> pd.DataFrame:
    """The same rows with the column ``sweep``: the name of the sweep that recorded each, absent where none did."""
    found = records.sweeps(uri, kind.name, list(rows["experiment"].unique()))
    return rows.assign(sweep=rows["run_id"].map(found).astype(object))


def read(
    uri: str, experiments: Sequence[str] | None, wanted: Iterable[Material], copies: Path | None = None
) -> tuple[dict[Material, pd.DataFrame], tuple[str, ...]]:
    """A frame for each wanted material, and one sentence for each run that is left out; reads nothing twice.

    ``copies`` is the folder of the local copy that is used and kept up to date, if any.

    Raises:
        UserError: the store cannot be read, has no experiment of that name, or there is no such material.
    """
    wholes: dict[Callable[..., Logbook[Any]], pd.DataFrame] = {}
    made: dict[Material, pd.DataFrame] = {}
    notes: list[str] = []
    for material in wanted:
        if material not in SOURCES:
            raise UserError(f"there is no material {material!r}; there are {', '.join(SOURCES)}.")
        source = SOURCES[material]
        if source.read not in wholes:
            book = source.read(uri, experiments, copies)
            wholes[source.read] = source.frame(book.records)
            notes += book.notes
        made[material] = source.part(wholes[source.read])
    return made, tuple(map(redact, notes))
