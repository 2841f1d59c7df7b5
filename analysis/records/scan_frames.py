"""Sensitivity scans as one tidy pandas frame: a row per scan, group of layers and level.

Pure, as ``frames`` is. Column names are those of the records (``pruneexp.schema.flatten``), and beside them

    run_id, experiment, started    where the scan was logged
    key                            the hash of its whole configuration
    place                          of the group in its network, from 0
    images, dense.METRIC           of the scan
    pruned                         percent of the group's weights that are gone
    change_METRIC                  the metric against that of the dense network, as ``frames`` has it
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.records import frames
from analysis.records.frames import SUBJECT
from analysis.records.runs import LoggedScan
from pruneexp.schema import LayerSensitivity, ScanIdentity, Score, flat_names, flatten
from pruneexp.schema.columns import METRICS

LEVEL = ("level.kind", "level.value")
_REPEATED = ("seed", "device", "scan_key", "dense_key")

IDENTITY = flat_names(ScanIdentity)
_OWN = ("run_id", "experiment", "started", "key", "place", "images")
_DENSE = tuple(f"dense.{name}" for name in flat_names(Score))
_USUAL = tuple(f"{start}{metric}{end}" for metric in METRICS
               for start, end in (("val.", ""), ("dense.", ""), ("", "_low"), ("", "_high")))  # fmt: skip
COLUMNS = (*IDENTITY, *flat_names(LayerSensitivity), *_DENSE, *_USUAL, *_OWN)
#: What may differ between two scans of one network and data set; scans that differ in seed alone are repetitions.
CONDITIONS = tuple(name for name in IDENTITY if name not in (*SUBJECT, *_REPEATED))
SCANS = frames.Kind("scan", IDENTITY, (*SUBJECT, *CONDITIONS, "seed"))


def frame(scans: Iterable[LoggedScan]) -> pd.DataFrame:
    """All rows of all scans, sorted by what they are, so that the order of logging changes nothing."""
    rows = [row for logged in scans for row in _rows(logged)]
    others = sorted(set().union(*rows).difference(COLUMNS))
    made = pd.DataFrame(rows, columns=[*COLUMNS, *others]).sort_values(
        [*SUBJECT, *CONDITIONS, "seed", "started", "run_id", "place", *LEVEL], ignore_index=True
    )
    scores = [name for name in made.columns if name.startswith(("val.", "dense."))]
    numbers = ["density", *dict.fromkeys((*scores, *_USUAL, *others))]
    made[numbers] = made[numbers].astype(float)  # what is absent is NaN, also where every row lacks it
    made[others] = made[others].clip(-frames.LARGEST, frames.LARGEST)
    changes = frames.with_changes(made, "dense.{}", "val.{}", "change_{}")
    return made.assign(pruned=100.0 * (1.0 - made["density"]), **changes)


def _rows(logged: LoggedScan) -> Iterable[dict[str, object]]:
    identity, dense = flatten(logged.scan.identity), flatten(logged.scan.dense, "dense.")
    where = {"run_id": logged.run_id, "experiment": logged.experiment, "started": logged.started}
    whole = {**identity, **dense, **where, "key": logged.scan.identity.scan_key, "images": logged.scan.images}
    places: dict[str, int] = {}
    for row in logged.scan.rows:
        place = places.setdefault(row.group, len(places))
        yield {**whole, **flatten(row), "place": place}
