"""Kept records: chosen points, with what is asked of their runs, in one Parquet file that is read as a store is.

Beside the columns of a curve's own file it holds the curves and studies that the points are of, with their resolved
configurations and environments, and of the points which sweep they are of and what was measured. Left out are scans,
failures, other files, and what is nobody else's business: where jobs ran, and on which machine.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from analysis.records.parents import LoggedParent, Origin, origins, parents
from analysis.records.reading import layers, tabled
from analysis.records.runs import Changes, Known, PointsFile, RawRun, RunKind
from analysis.records.stores import open_store
from pruneexp.errors import UserError
from pruneexp.schema import CONFIG_FILE, CURVE, CURVE_KEY, ENVIRONMENT_FILE, MEASURED, SWEEP, flatten
from pruneexp.schema.columns import LAYERS, OPTIONAL

_ABOUT = b"pruneexp.kept"
_TAGS = (SWEEP, MEASURED)


@dataclass(frozen=True)
class KeptStore:
    """A file of kept records, open for reading."""

    path: Path

    def experiments(self) -> Mapping[str, str]:
        return {name: name for name in sorted(set(self._experiments.values()))}

    def runs(self, kind: RunKind, experiments: Sequence[str]) -> Sequence[RawRun]:
        """Those of curves and studies; of points the columns tell everything."""
        found = [RawRun(*one["run"]) for one in self._about["above"] if one["kind"] == kind]
        return [run for run in found if run.experiment in experiments]

    def tagged(self, tag: str, kind: RunKind, experiments: Sequence[str]) -> Mapping[str, str]:
        values: Mapping[str, str] = self._about["tags"].get(tag, {}) if kind == "point" else {}
        return {run: value for run, value in values.items() if self._experiments[run] in experiments}

    def changes(self, kind: RunKind, experiments: Sequence[str], known: Known) -> Changes:
        here = {run: name for run, name in self._experiments.items() if name in experiments}
        return Changes({run: here[run] for run in known.runs if run in here}, (), (), "")

    def points_files(self, experiments: Sequence[str], known: Known) -> Iterable[PointsFile]:
        return (PointsFile(str(self.path), self._content),)

    def points_files_over(self, run_id: str) -> Iterable[PointsFile]:
        return self.points_files((), Known({}, ""))

    def artefact(self, run_id: str, name: str) -> str:
        for one in self._about["above"]:
            if one["run"][0] == run_id and name in one["files"]:
                return str(one["files"][name])
        raise FileNotFoundError(f"{self.path} keeps no {name} of run {run_id}")

    def check(self) -> KeptStore:
        """The same store.

        Raises:
            UserError: it cannot be read, or holds something else.
        """
        try:
            len(self._experiments), len(self._about)  # read once, here
        except (OSError, KeyError, ValueError, zlib.error, pa.ArrowException) as error:
            reason = str(error).rstrip(".")
            raise UserError(
                f"{self.path} cannot be read as kept records, which `python -m analysis keep FILE` writes: {reason}."
            ) from error
        return self

    @cached_property
    def _content(self) -> bytes:
        return self.path.read_bytes()

    @cached_property
    def _experiments(self) -> dict[str, str]:
        found = pq.read_table(pa.BufferReader(self._content), columns=["run_id", "experiment"])
        return dict(zip(found["run_id"].to_pylist(), found["experiment"].to_pylist(), strict=True))

    @cached_property
    def _about(self) -> dict[str, Any]:
        metadata = pq.read_metadata(pa.BufferReader(self._content)).metadata or {}
        found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(metadata[_ABOUT])))
        return found


def packed(uri: str, run_ids: Collection[str]) -> bytes:
    """The file of these points of a tracking store; the same points make the same bytes.

    Raises:
        UserError: the store cannot be read, or a point has no layers that can be.
    """
    everything = tabled(uri).records
    table = everything.filter(pc.is_in(everything["run_id"], value_set=pa.array(list(run_ids), pa.string())))
    found = layers(uri, table["run_id"].to_pylist())
    rows = [[flatten(row) for row in found[run_id]] for run_id in table["run_id"].to_pylist()]
    absent = [name for name in OPTIONAL if table[name].null_count == len(table)]
    about = json.dumps(_about(uri, table), sort_keys=True).encode()
    table = table.append_column(LAYERS, pa.array(rows, LAYERS.type)).drop_columns(absent)
    table = table.append_column("ended", table["started"]).append_column("experiment_id", table["experiment"])
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_ABOUT: base64.b64encode(zlib.compress(about, 9))})
    return bytes(sink.getvalue())


def _about(uri: str, points: pa.Table) -> dict[str, Any]:
    store, experiments = open_store(uri), sorted(set(points["experiment"].to_pylist()))
    columns = (points[name].to_pylist() for name in ("experiment", "study", "curve_key"))
    wanted = {(experiment, study or curve) for experiment, study, curve in zip(*columns, strict=True)}
    above = [one for one in parents(uri, experiments) if (one.experiment, one.column) in wanted]
    made, chosen = origins(uri, [one.run_id for one in above]), set(points["run_id"].to_pylist())
    tags = {tag: store.tagged(tag, "point", experiments) for tag in _TAGS}
    return {
        "above": [_above(one, made.get(one.run_id)) for one in above],
        "tags": {tag: {run: text for run, text in values.items() if run in chosen} for tag, values in tags.items()},
    }


def _above(one: LoggedParent, origin: Origin | None) -> dict[str, Any]:
    tags = {CURVE: one.name, **({CURVE_KEY: one.column} if one.kind == "curve" else {})}
    files = {}
    if origin is not None:
        config = {key: value for key, value in origin.config.items() if key not in ("runtime", "hydra")}
        machine = {key: value for key, value in (origin.environment.get("machine") or {}).items() if key != "host"}
        files[CONFIG_FILE] = yaml.safe_dump(config, sort_keys=False)
        files[ENVIRONMENT_FILE] = json.dumps({**origin.environment, "machine": machine})
    return {"kind": one.kind, "run": RawRun(one.run_id, one.experiment, "FINISHED", 0, {}, {}, tags), "files": files}
