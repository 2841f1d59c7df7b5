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
from analysis.statistics.wording import hashed
from pruneexp.errors import UserError, redact
from pruneexp.schema import TOP1, MeasuredPoint


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
    """Points of one budget with their val scores by epoch of retraining; those without are left out."""
    budgets = sorted(points["budget.value"].unique())
    if len(budgets) > 1:
        told = ", ".join(f"{value:g}" for value in budgets)
        raise UserError(
            f"epochs are shown of one budget: choose one of {told}, as `--where budget.value={budgets[0]:g}` does."
        )
    metrics = points["metric.name"].fillna(TOP1.name)
    names = dict(zip(points["run_id"], "retrain/val." + metrics, strict=True))
    return frames.with_courses(points, records.courses(uri, names))


def _measurements(points: pd.DataFrame, uri: str) -> Mapping[str, MeasuredPoint]:
    return records.measurements(uri, sorted(points["experiment"].unique()))


def _beside_points(points: pd.DataFrame, uri: str) -> pd.DataFrame:
    return measured_frames.beside(points, _measurements(points, uri))


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
SOURCES: Mapping[Material, MaterialSource] = {
    "points": MaterialSource(
        frames.POINTS,
        "finished point of a curve",
        _RUN,
        records.tabled,
        frames.frame,
        selection.of_curves,
        _beside_points,
    ),
    "points and trials": MaterialSource(
        frames.POINTS, "finished point", _RUN, records.tabled, frames.frame, completed=_beside_points
    ),
    "forms": MaterialSource(frames.POINTS, "finished point", _RUN, records.tabled, frames.frame, completed=_in_forms),
    "layers": MaterialSource(
        frames.POINTS, "finished point", _RUN, records.tabled, frames.frame, completed=_with_layers
    ),
    "weights": MaterialSource(
        frames.POINTS, "finished point", _RUN, records.tabled, frames.frame, completed=_with_weights
    ),
    "courses": MaterialSource(
        frames.POINTS, "finished point", _RUN, records.tabled, frames.frame, selection.of_curves, _with_courses
    ),
    "scans": MaterialSource(scan_frames.SCANS, "finished scan", _SCAN, _scans, scan_frames.frame),
    "points with origins": MaterialSource(
        frames.POINTS,
        "finished point of a curve",
        _RUN,
        records.tabled,
        frames.frame,
        selection.of_curves,
        _with_origins,
    ),
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

        Records of earlier versions say less of settings, so that they are left out beside newer ones of their network
        and data set.

        Raises:
            UserError: the material is of one record only, and several were chosen.
        """
        source = SOURCES[material]
        return source.completed(selection.latest(selection.newer(self.in_words(material)), source.kind), self.uri)

    def in_words(self, material: Material) -> pd.DataFrame:
        """What was chosen, with words for the hashes that tell records apart; raises as ``chosen`` does."""
        return in_words(self.chosen(material), SOURCES[material].kind, self.uri)

    def remarks(self) -> Iterator[str]:
        """Sentences on each kind of record: how many were logged again later, and how many by earlier versions."""
        widest = {
            SOURCES[name].kind.name: name for name in sorted(self.logged, key=lambda name: len(self.logged[name]))
        }
        for noun, material in widest.items():
            try:
                chosen = self.chosen(material)
            except UserError:
                continue  # nothing of it was chosen; a publication that needs it says so
            newer = selection.newer(chosen)
            counted = selection.latest(newer, SOURCES[material].kind)
            total, new, single = (rows["run_id"].nunique() for rows in (chosen, newer, counted))
            if new < total:
                yield (
                    f"{total - new} of {total} {noun}s were recorded by an earlier version, which said less of their "
                    "settings, and are left out beside newer ones: their commands, given again, record them in full, "
                    "and --where reg_settings= takes them alone"
                )
            if single < new:
                yield f"{new - single} of {new} {noun}s were logged again later and are left out"


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
            notes += (*book.remarks, *book.failed, *book.unreadable, *book.unfinished)
        made[material] = source.part(wholes[source.read])
    return made, tuple(map(redact, notes))
