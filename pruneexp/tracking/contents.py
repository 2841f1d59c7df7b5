"""What curves, studies, points, failures and scans become in MLflow: whole runs.

Pure functions; knows no store.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pruneexp import schema
from pruneexp.tracking import markdown
from pruneexp.tracking.artefacts import Courses, Parent
from pruneexp.tracking.colours import COLOUR, curve_colour, scan_colour, trial_colour
from pruneexp.tracking.naming import curve_name, point_name, scan_name
from pruneexp.tracking.runs import NewRun, Value, about, source

if TYPE_CHECKING:
    import pyarrow as pa

    from pruneexp.schema.columns import LoggedPoint

#: The kind of training whose course is on the run of a curve or study.
DENSE = "dense"
#: Tag of the key of each kind of run.
KEYS = {
    "curve": schema.CURVE_KEY,
    "study": schema.STUDY_KEY,
    "point": schema.POINT_KEY,
    "scan": schema.SCAN_KEY,
}


def parent_run(parent: Parent) -> NewRun:
    """A curve or a study as it begins; its points carry its tags, but for those that they have of their own."""
    name = parent.name or curve_name(parent.params)
    said = {**parent.tags, schema.CURVE: name, **source(parent.environment)}
    colour = {COLOUR: curve_colour(parent.params)} if parent.kind == "curve" else {}
    tags = {**colour, **schema.hash_tags(parent.params), **said, **_own(parent.kind, parent.key)}
    files = about(parent.config_yaml, parent.environment)
    return NewRun(name, tags, schema.without_hashes(parent.params), files=files)


def point_run(
    point: schema.TradeoffPoint,
    tags: Mapping[str, str],
    numbers: Mapping[str, float],
    courses: Courses | None = None,
) -> NewRun:
    """A point: choices as params, numbers and what follows from them as metrics, the rows of the layers as a file.

    Beside the numbers stand the courses of the trainings that are the point's own: all but that of the dense network.
    """
    said = {**_remarks(point), markdown.TAG: schema.unmeasured(point)}
    begun = _run_of_point(schema.flatten(point.identity), {**tags, **said})
    metrics = {**numbers, **schema.derived(point), **schema.flatten(point.result)}
    own = {kind: course for kind, course in (courses or {}).items() if kind != DENSE}
    values = [*(Value(name, value) for name, value in metrics.items()), *course_values(own)]
    files = {schema.LAYERS_FILE: json.dumps([schema.flatten(row) for row in point.layers], indent=1)}
    return begun._replace(values=values, files=files)


def course_values(courses: Courses) -> list[Value]:
    """The numbers of trainings by epoch: ``retrain/loss``, ``retrain/val.top1``, ``retrain/lr``."""
    return [
        Value(f"{kind}/{name}", number, epoch)
        for kind, course in courses.items()
        for name, numbers in course.items()
        for epoch, number in enumerate(numbers, start=1)
    ]


def failure_run(identity: Mapping[str, Any], reason: str, tags: Mapping[str, str]) -> NewRun:
    """A point that failed: as much of its flat identity as is known, and why, in one sentence."""
    notes = {**tags, schema.FAILURE: reason, markdown.TAG: reason}
    return _run_of_point(identity, notes)._replace(status="FAILED")


def _run_of_point(identity: Mapping[str, Any], tags: Mapping[str, str]) -> NewRun:
    """A point without numbers, by as much of its flat identity as is known; it is drawn as its curve is."""
    curve = {schema.CURVE_KEY: str(identity["curve_key"])} if "curve_key" in identity else {}
    colour = {COLOUR: trial_colour(identity)} if identity.get("study") else {}
    found = {**schema.hash_tags(identity), **_own("point", str(identity["point_key"])), **curve, **colour}
    params = schema.without_hashes(identity)
    return NewRun(point_name(identity), {**tags, **found}, params)


def scan_run(scan: schema.Scan, config_yaml: str, environment: Mapping[str, Any]) -> NewRun:
    """A scan: each layer as a series of changes of the primary metric on val, and the density at each of its steps.

    A step is the weights of the layer that are pruned, in permille, because MLflow's steps are whole.

    The exact numbers are in ``sensitivity.json``.
    """
    identity = schema.flatten(scan.identity)
    doubt = {schema.UNDEFINED: scan.undefined} if scan.undefined else {}
    files = {**_scan_file(scan), **about(config_yaml, environment)}
    own = {**_own("scan", scan.identity.scan_key), COLOUR: scan_colour(identity)}
    tags = {**source(environment), **doubt, **schema.hash_tags(identity), **own}
    params, values = schema.without_hashes(identity), list(_scan_metrics(scan))
    return NewRun(scan_name(identity), tags, params, values, files)


def sweep_run(name: str) -> NewRun:
    """The run that stands for a sweep: it holds files on all its curves together, and no numbers."""
    return NewRun(name, {schema.SWEEP: name, schema.KIND: "sweep", schema.SCHEMA: schema.SCHEMA_VERSION}, {})


def _own(kind: str, key: str) -> dict[str, str]:
    """The tags that a run is found by."""
    return {schema.KIND: kind, KEYS[kind]: key, schema.SCHEMA: schema.SCHEMA_VERSION}


def _remarks(point: schema.TradeoffPoint) -> dict[str, str]:
    """Tags of what a reader of the numbers must know; absent where there is nothing."""
    found = {
        schema.COLLAPSE: schema.names_text(point.collapsed) if point.collapsed else "",
        schema.DENSITY_MISSED: "true" if point.density_missed else "",
        schema.DISCONNECTED: "true" if point.disconnected else "",
        schema.UNDEFINED: schema.undefined(point),
    }
    return {tag: text for tag, text in found.items() if text}


def _scan_metrics(scan: schema.Scan) -> Iterator[Value]:
    metric = scan.identity.primary
    dense = scan.dense[metric.name]
    yield Value("images", scan.images)
    yield Value(f"dense.{metric.name}", dense)
    densities: dict[int, float] = {}
    for row in scan.rows:
        change, pruned = metric.change(dense, row.val[metric.name]), round(1000 * (1 - row.density))
        densities.setdefault(pruned, row.density)
        yield Value(f"sensitivity/{row.group}/val.change.{metric.name}", change, pruned)
    for pruned, density in densities.items():
        yield Value("density", density, pruned)


def _scan_file(scan: schema.Scan) -> dict[str, str]:
    table = {
        "dense": schema.flatten(scan.dense),
        "images": scan.images,
        "rows": [schema.flatten(row) for row in scan.rows],
    }
    return {schema.SENSITIVITY_FILE: json.dumps(table, indent=1)}


def parquet(logged: Iterable[tuple[LoggedPoint, int]], experiment_id: str) -> bytes:
    """The Parquet file of points and the moments at which their runs ended, in milliseconds since 1970, by run.

    Its columns are those of ``schema.columns``, ``ended`` and ``experiment_id``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pruneexp.schema.columns import OPTIONAL, with_layers

    ordered = sorted(logged, key=lambda pair: pair[0].run_id)
    table = _as_by_mlflow(with_layers(point for point, _ in ordered))
    table = table.drop_columns([name for name in OPTIONAL if table[name].null_count == len(table)])
    ended, ids = [moment for _, moment in ordered], [experiment_id] * len(ordered)
    table = table.append_column(pa.field("ended", pa.int64()), pa.array(ended, pa.int64()))
    table = table.append_column(pa.field("experiment_id", pa.string()), pa.array(ids, pa.string()))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", use_dictionary=False, write_statistics=False, store_schema=False)
    return bytes(sink.getvalue())


def _as_by_mlflow(table: pa.Table) -> pa.Table:
    """The largest number in place of an infinite one, as MLflow keeps a metric."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(table.schema):
        if field.type == pa.float64():
            column = table.column(place)
            largest = pc.multiply(pc.sign(column), sys.float_info.max)
            table = table.set_column(place, field, pc.if_else(pc.is_inf(column), largest, column))
    return table
