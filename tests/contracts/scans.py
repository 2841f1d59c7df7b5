"""Sensitivity scans made by hand, for tests of code that reads records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from analysis.records.runs import LoggedScan
from pruneexp.schema import (
    KIND,
    SENSITIVITY_FILE,
    Budget,
    BudgetKind,
    LayerSensitivity,
    Scan,
    ScanIdentity,
    Score,
    flatten,
)
from tests.contracts.points import PERPLEXITY, logged, point, tracking_file

#: Accuracy changes in points, by density, of the layers of a network of one convolution and two linear layers.
CHANGES: Mapping[str, Mapping[float, float]] = {
    "conv1": {0.75: -1.0, 0.5: -6.0, 0.25: -31.0},
    "fc1": {0.75: 0.5, 0.5: 0.0, 0.25: -2.0},
    "fc2": {0.75: 0.0, 0.5: -1.0, 0.25: -8.0},
}


def scan(
    changes: Mapping[str, Mapping[float, float]] = CHANGES,
    *,
    model: str = "lenet5",
    data: str = "mnist5k",
    reg: str = "l2",
    seed: int = 0,
    levels: BudgetKind = "density",
    retrain_epochs: int = 0,
    dense: float = 97.0,
    shift: float = 0.0,
    settings: str = "s1",
    top5: bool = True,
) -> Scan:
    """One complete scan; each layer has 1,000 weights, and 200 images make intervals of half a point to either side.

    Args:
        changes: by group and density the change of top-1 accuracy, in points; top-5 changes half as much. The kind of a
            layer follows from its name; ``a+b`` is a group of two.
        shift: points added to every change, so that seeds differ.
        levels: of a quality, the level is twice the density.
    """
    key = f"{data}-{model}-{reg}-{seed}-{levels}-{retrain_epochs}-{settings}"
    identity = ScanIdentity(
        model=model,
        data=data,
        train=f"{data}_{model}",
        reg=reg,
        reg_strength=5e-4 if reg == "l2" else 5e-5,
        dropout="scaled",
        criterion="layer_std" if levels == "quality" else "layer_magnitude",
        seed=seed,
        levels=levels,
        retrain_epochs=retrain_epochs,
        scan_key=f"scan-{key}",
        dense_key=f"dense-{data}-{model}-{reg}-{seed}",
        data_fingerprint=f"fingerprint-{data}",
        device="cpu",
        dense_settings="d1",
        scan_settings=f"{settings}-{levels}-{retrain_epochs}",
    )
    rows = tuple(
        _row(
            group, density, Budget(levels, density if levels == "density" else 2 * density), dense, change + shift, top5
        )
        for group, curve in changes.items()
        for density, change in curve.items()
    )
    return Scan(identity=identity, dense=_score(dense, 0.0, top5), images=200, rows=rows)


def _row(group: str, density: float, level: Budget, dense: float, change: float, top5: bool) -> LayerSensitivity:
    names = group.split("+")
    kinds = {"linear" if name.startswith("fc") else "conv" for name in names}
    return LayerSensitivity(
        group=group,
        layers=tuple(names),
        kind=kinds.pop() if len(kinds) == 1 else "mixed",
        level=level,
        weights_total=1_000,
        weights_kept=round(1_000 * density),
        density=round(1_000 * density) / 1_000,
        val=_score(dense, change, top5),
        bounds={"top1_low": change - 0.5, "top1_high": change + 0.5}
        | ({"top5_low": change / 2 - 0.25, "top5_high": change / 2 + 0.25} if top5 else {}),
    )


def _score(dense: float, change: float, top5: bool) -> Score:
    return Score(
        loss=(100.0 - dense - change) / 50.0,
        metrics={"top1": dense + change} | ({"top5": 99.0 + change / 2} if top5 else {}),
    )


def as_text(made: Scan, dense: float = 5.0) -> Scan:
    """The same scan of a language model: what changes accuracy by a point changes perplexity by a per cent, upwards."""

    def of(change: float) -> Score:
        return Score(loss=1.0, metrics={PERPLEXITY.name: dense * (1.0 - change / 100.0)})

    changes = [row.val["top1"] - made.dense["top1"] for row in made.rows]
    rows = tuple(
        replace(row, val=of(change), bounds={"perplexity_low": -change - 0.5, "perplexity_high": -change + 0.5})
        for row, change in zip(made.rows, changes, strict=True)
    )
    identity = replace(made.identity, task="language_model", metric=PERPLEXITY)
    return replace(made, identity=identity, dense=of(0.0), rows=rows)


def logged_scans(*made: Scan, experiment: str = "pruneexp") -> list[LoggedScan]:
    """Scans as if logged one after the other, each in a run of its own; the ids are none of points'."""
    return [LoggedScan(f"{number:032x}".replace("0", "f", 1), experiment, 1_000 * number, one)
            for number, one in enumerate(made, start=1)]  # fmt: skip


def table(made: Scan) -> str:
    """The text of a scan's ``sensitivity.json``."""
    rows = [flatten(row) for row in made.rows]
    return json.dumps({"dense": flatten(made.dense), "images": made.images, "rows": rows})


def scan_file(path: Path, scans: Iterable[LoggedScan], status: str = "FINISHED") -> Path:
    """Add scans to a tracking file, which is made where there is none; their tables go into a folder beside it."""
    if not path.exists():
        tracking_file(path, [])
    with closing(sqlite3.connect(path)) as connection, connection:
        if "artifact_uri" not in {row[1] for row in connection.execute("PRAGMA table_info(runs)")}:
            connection.execute("ALTER TABLE runs ADD COLUMN artifact_uri TEXT")
        for logged in scans:
            folder = path.with_suffix(".artefacts") / logged.run_id
            folder.mkdir(parents=True)
            (folder / SENSITIVITY_FILE).write_text(table(logged.scan), encoding="utf-8")
            _insert(connection, logged, status, folder.as_uri())
    return path


def _insert(connection: sqlite3.Connection, logged: LoggedScan, status: str, where: str) -> None:
    connection.execute("INSERT OR IGNORE INTO experiments VALUES (?, ?, 'active')", (logged.experiment,) * 2)
    columns = "run_uuid, experiment_id, status, start_time, lifecycle_stage, artifact_uri"
    run = logged.run_id, logged.experiment, status, logged.started, where
    connection.execute(f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, 'active', ?)", run)
    connection.execute("INSERT INTO tags VALUES (?, ?, ?)", (logged.run_id, KIND, "scan"))
    params = [(logged.run_id, key, str(value)) for key, value in flatten(logged.scan.identity).items()]
    connection.executemany("INSERT INTO params VALUES (?, ?, ?)", params)


def study_file(path: Path) -> Path:
    """A SQLite file with a small study: two modes, two seeds and two densities, and a scan of each seed."""
    made = [
        point(mode=mode, seed=seed, density=density, after=97.0 - 0.1 / density)
        for mode in ("prune", "scratch_e")
        for seed in (0, 1)
        for density in (0.5, 0.1)
    ]
    tracking_file(path, logged(*made))
    return scan_file(path, logged_scans(scan(), scan(seed=1)))
