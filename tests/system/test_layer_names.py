"""Layers whose names are no identifiers (commas, spaces, quotes, accents), from the network to the records."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.artifacts import download_artifacts

from pruneexp import schema
from pruneexp.__main__ import main as pruneexp
from sweeps.__main__ import main as sweeps
from tests.contracts.composing import SMALL
from tests.contracts.jobs import runs
from tests.contracts.records import points_of_runs
from tests.contracts.studies import recording, told

NETWORK = """
from torch import Tensor, nn


class OddlyNamed(nn.Module):
    def __init__(self, classes: int, pixels: int) -> None:
        super().__init__()
        self.first = nn.ModuleDict({"3x3 a, b=1": nn.Linear(pixels, 12)})
        self.second = nn.ModuleDict({"größe": nn.Linear(12, 12), "out('1')": nn.Linear(12, classes)})

    def forward(self, images: Tensor) -> Tensor:
        rows = self.first["3x3 a, b=1"](images.flatten(1)).relu()
        return self.second["out('1')"](self.second["größe"](rows).relu())
"""
LAYERS = ("first.3x3 a, b=1", "second.größe", "second.out('1')")
CONFIGURATION = """
_target_: oddly_named.OddlyNamed
classes: ${data.info.classes}
pixels: 144
"""
OWN = ("--config-dir", "mine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = recording(tmp_path_factory.mktemp("odd"))
    (place / "mine" / "model").mkdir(parents=True)
    (place / "mine" / "oddly_named.py").write_text(NETWORK, encoding="utf-8")
    (place / "mine" / "model" / "odd.yaml").write_text(CONFIGURATION, encoding="utf-8")
    with contextlib.chdir(place):
        yield place


def test_a_search_varies_every_layer(folder: Path) -> None:
    search = ("study=layer_thresholds", "study.name=odd", "study.trials=2", "study.finalists=1")
    assert sweeps([*OWN, *SMALL, "model=odd", *search, "study.levels=[0.5,1.0]"]) == 0
    assert all(trial.params.keys() == set(LAYERS) for trial in told(folder, "odd"))
    (scan,) = runs(folder, "scan")
    uri = f"sqlite:///{folder}/mlflow.db"
    path = download_artifacts(run_id=scan.info.run_id, artifact_path=schema.SENSITIVITY_FILE, tracking_uri=uri)
    rows = json.loads(Path(path).read_text(encoding="utf-8"))["rows"]
    assert [row["layers"] for row in rows[::2]] == [[layer] for layer in LAYERS]


def test_collapsed_layers_are_read_back_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds = ("criterion=layer_std", "curve.densities=null", "curve.qualities=[50]")
    monkeypatch.setattr("sys.argv", ["pruneexp"])  # the command looks there for its own words
    assert pruneexp([*OWN, *SMALL, "model=odd", *thresholds]) == 0
    found = points_of_runs(f"sqlite:///{folder}/mlflow.db").values()
    assert [one.point.collapsed for one in found if not one.point.identity.study] == [LAYERS]
