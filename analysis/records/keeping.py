"""Writes chosen points and scans, and what is asked of their runs, into one file (``analysis.records.kept``)."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from analysis.records.kept import ABOUT, KeptStore
from analysis.records.parents import LoggedParent, Origin, origins, parents
from analysis.records.reading import course_name, layers, points, stability
from analysis.records.runs import RawRun
from analysis.records.stores import open_store
from pruneexp.schema import (
    CONFIG_FILE,
    CURVE,
    CURVE_KEY,
    ENVIRONMENT_FILE,
    MEASURED,
    RETRAINING,
    RETRAINING_FILE,
    SENSITIVITY_FILE,
    SWEEP,
    WEIGHTS_FILE,
    flatten,
)
from pruneexp.schema.columns import LAYERS, OPTIONAL

_TAGS = (SWEEP, MEASURED, RETRAINING)


def packed(uri: str, run_ids: Collection[str], scans: Collection[str] = ()) -> bytes:
    """The file of these points and scans of a tracking store; the same ones make the same bytes.

    Raises:
        UserError: the store cannot be read, or a point has no layers that can be.
    """
    everything = points(uri).records
    table = everything.filter(pc.is_in(everything["run_id"], value_set=pa.array(list(run_ids), pa.string())))
    found = layers(uri, table["run_id"].to_pylist())
    rows = [[flatten(row) for row in found[run_id]] for run_id in table["run_id"].to_pylist()]
    absent = [name for name in OPTIONAL if table[name].null_count == len(table)]
    table = table.append_column(LAYERS, pa.array(rows, LAYERS.type)).drop_columns(absent)
    table = table.append_column("ended", table["started"]).append_column("experiment_id", table["experiment"])
    return _written(table, _about(uri, table, scans))


def joined(old: KeptStore, new: bytes) -> bytes:
    """The file of what either keeps; of a run that is in both, as ``new`` has it."""
    table, about = _read(new)
    former, known = _read(old.content)
    here = pa.array({*table["run_id"].to_pylist()}, pa.string())
    former = former.filter(pc.invert(pc.is_in(former["run_id"], value_set=here)))
    runs = {one["run"][0]: one for one in (*known["above"], *about["above"])}
    tags = {tag: {**known["tags"].get(tag, {}), **about["tags"].get(tag, {})} for tag in _TAGS}
    whole = pa.concat_tables([former, table], promote_options="default")
    return _written(whole, {"above": list(runs.values()), "tags": tags})


def _read(content: bytes) -> tuple[pa.Table, dict[str, Any]]:
    table = pq.read_table(pa.BufferReader(content))
    about: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(table.schema.metadata[ABOUT])))
    return table.replace_schema_metadata(None), about


def _written(table: pa.Table, about: Mapping[str, Any]) -> bytes:
    text = json.dumps(about, sort_keys=True).encode()
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({ABOUT: base64.b64encode(zlib.compress(text, 9))})
    return bytes(sink.getvalue())


def _about(uri: str, points: pa.Table, scans: Collection[str]) -> dict[str, Any]:
    store, experiments = open_store(uri), sorted(set(points["experiment"].to_pylist()))
    columns = (points[name].to_pylist() for name in ("experiment", "study", "curve_key"))
    wanted = {(experiment, study or curve) for experiment, study, curve in zip(*columns, strict=True)}
    above = [one for one in parents(uri, experiments) if (one.experiment, one.column) in wanted]
    made, chosen = origins(uri, [one.run_id for one in above]), set(points["run_id"].to_pylist())
    tags = {tag: store.tagged(tag, "point", experiments) for tag in _TAGS}
    return {
        "above": [*(_above(one, made.get(one.run_id)) for one in above), *_looked_at(uri, points), *_scans(uri, scans)],
        "tags": {tag: {run: text for run, text in values.items() if run in chosen} for tag, values in tags.items()},
    }


def _above(one: LoggedParent, origin: Origin | None) -> dict[str, Any]:
    tags = {CURVE: one.name, **({CURVE_KEY: one.column} if one.kind == "curve" else {})}
    params = {"sampler": one.sampler} if one.sampler else {}
    run = RawRun(one.run_id, one.experiment, "FINISHED", 0, params, {}, tags)
    return {"kind": one.kind, "run": run, "files": _files(origin)}


def _files(origin: Origin | None) -> dict[str, str]:
    """Configuration and environment, without where the job ran."""
    if origin is None:
        return {}
    config = {key: value for key, value in origin.config.items() if key not in ("runtime", "hydra")}
    machine = {key: value for key, value in (origin.environment.get("machine") or {}).items() if key != "host"}
    return {
        CONFIG_FILE: yaml.safe_dump(config, sort_keys=False),
        ENVIRONMENT_FILE: json.dumps({**origin.environment, "machine": machine}),
    }


def _looked_at(uri: str, points: pa.Table) -> Iterator[dict[str, Any]]:
    """What the columns do not tell of a point: its val scores by epoch, its weights, what retraining did to it."""
    store, experiments = open_store(uri), sorted(set(points["experiment"].to_pylist()))
    compared, retrained = stability(uri, experiments), store.tagged(RETRAINING, "point", experiments)
    metrics = points["metric.name"].to_pylist() if "metric.name" in points.column_names else [None] * len(points)
    rows = zip(points["run_id"].to_pylist(), points["experiment"].to_pylist(), metrics, strict=True)
    for run_id, experiment, metric in rows:
        name, files = course_name(metric), dict[str, str]()
        for file, there in ((WEIGHTS_FILE, run_id in compared), (RETRAINING_FILE, run_id in retrained)):
            with suppress(OSError):  # gone since
                files |= {file: store.artefact(run_id, file)} if there else {}
        course = sorted(store.course(run_id, name).items())
        if course or files or run_id in compared:
            run = RawRun(run_id, experiment, "FINISHED", 0, {}, compared.get(run_id, {}), {})
            yield {"kind": "point", "run": run, "files": files, "courses": {name: course} if course else {}}


def _scans(uri: str, run_ids: Collection[str]) -> list[dict[str, Any]]:
    store = open_store(uri)
    found = [run for run in sorted(store.runs("scan", sorted(store.experiments()))) if run.run_id in run_ids]
    made = origins(uri, [run.run_id for run in found])
    return [
        {
            "kind": "scan",
            "run": run._replace(tags={name: text for name, text in run.tags.items() if not name.startswith("mlflow.")}),
            "files": {**_files(made.get(run.run_id)), SENSITIVITY_FILE: store.artefact(run.run_id, SENSITIVITY_FILE)},
        }
        for run in found
    ]
