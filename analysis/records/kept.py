"""Kept records: chosen points, with what is asked of their runs, in one Parquet file that is read as a store is.

Beside the columns of a curve's own file it holds the curves and studies that the points are of, with their resolved
configurations and environments, of the points which sweep they are of, what was measured, and what else was looked at
(val scores by epoch, weights, what retraining did), and whole scans. Left out are failures, other files, and what is
nobody else's business: where jobs ran, and on which machine.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records.runs import Changes, Known, PointsFile, RawRun, RunKind
from pruneexp.errors import UserError

#: The entry of the file's metadata on the runs that its points are of: JSON, compressed.
ABOUT = b"pruneexp.kept"


@dataclass(frozen=True)
class KeptStore:
    """A file of kept records, open for reading."""

    path: Path

    def experiments(self) -> Mapping[str, str]:
        of_scans = {run.experiment for run in self._runs("scan")}
        return {name: name for name in sorted({*self._experiments.values(), *of_scans})}

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        """Those of curves, studies and scans, and of points that more was looked at of than the columns tell."""
        return [run for run in self._runs(kind) if run.experiment in experiments]

    def tagged(self, tag: str, kind: RunKind, experiments: Sequence[str]) -> Mapping[str, str]:
        if kind != "point":
            return {run.run_id: run.tags[tag] for run in self.runs(kind, experiments) if tag in run.tags}
        values: Mapping[str, str] = self._about["tags"].get(tag, {})
        return {run: value for run, value in values.items() if self._experiments[run] in experiments}

    def changes(self, kind: RunKind, experiments: Sequence[str], known: Known) -> Changes:
        return Changes(known, ())

    def points_files(self, experiments: Sequence[str], known: Known) -> Iterable[PointsFile]:
        return (PointsFile(str(self.path), self.content),)

    def points_files_over(self, run_id: str) -> Iterable[PointsFile]:
        return self.points_files((), {})

    def course(self, run_id: str, name: str) -> Mapping[int, float]:
        return {int(step): value for step, value in self._by_run.get(run_id, {}).get("courses", {}).get(name, ())}

    def artefact(self, run_id: str, name: str) -> str:
        try:
            return str(self._by_run[run_id]["files"][name])
        except KeyError as error:
            raise FileNotFoundError(f"{self.path} keeps no {name} of run {run_id}") from error

    def check(self) -> KeptStore:
        """The same store.

        Raises:
            UserError: it is not there, cannot be read, or holds something else.
        """
        if not self.path.is_file():
            raise UserError(
                f"{self.path.name} not found in {self.path.absolute().parent}: "
                "`python -m analysis keep FILE` writes kept records."
            )
        try:
            len(self._experiments), len(self._about)  # read once, here
        except (OSError, KeyError, ValueError, zlib.error, pa.ArrowException) as error:
            reason = str(error).rstrip(".")
            raise UserError(
                f"{self.path} cannot be read as kept records, which `python -m analysis keep FILE` writes: {reason}."
            ) from error
        return self

    def extent(self) -> tuple[int, int]:
        """How many points and scans the file keeps."""
        return len(self._experiments), len(self._runs("scan"))

    @cached_property
    def content(self) -> bytes:
        return self.path.read_bytes()

    def _runs(self, kind: RunKind) -> list[RawRun]:
        return [RawRun(*one["run"]) for one in self._about["above"] if one["kind"] == kind]

    @cached_property
    def _by_run(self) -> dict[str, dict[str, Any]]:
        return {one["run"][0]: one for one in self._about["above"]}

    @cached_property
    def _experiments(self) -> dict[str, str]:
        found = pq.read_table(pa.BufferReader(self.content), columns=["run_id", "experiment"])
        return dict(zip(found["run_id"].to_pylist(), found["experiment"].to_pylist(), strict=True))

    @cached_property
    def _about(self) -> dict[str, Any]:
        metadata = pq.read_metadata(pa.BufferReader(self.content)).metadata or {}
        found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(metadata[ABOUT])))
        return found
