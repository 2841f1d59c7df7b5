"""On files in VOC's layout a detector learns where objects are, which one that is not trained does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.commands import called
from tests.contracts.jobs import runs
from tests.contracts.records import fresh_store
from tests.contracts.voc_files import write_shapes

DATA = (
    *("data=voc2007", "data.root=shapes", "data.name=shapes_files", "data.size=64", "data.val_images=20"),
    *("data.classes=[disc,square,triangle]", "data.info.classes=3", "data.info.task.detections=20"),
)
DETECTOR = ("model=faster_rcnn_small", "reg=none", "criterion.layers=[conv]", "curve.densities=[0.5]")
RECIPE = ("train=shapes_faster_rcnn_small", "train.augment=true", "retrain.epochs=0")
QUIET = ("device=cpu", "runtime.progress=false", "runtime.dashboard=false")


def test_a_detector_learns_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fresh_store(tmp_path)
    write_shapes(tmp_path / "shapes", trainval=150, test=60)
    for epochs in (0, 15):
        words = (f"train.epochs={epochs}", f"runtime.experiment={epochs}")
        done = called(tmp_path, *DATA, *DETECTOR, *RECIPE, *QUIET, *words)
        assert done.returncode == 0, done.stderr
    scores = [[runs(tmp_path, experiment=epochs)[0].data.metrics[f"test.dense.{name}"]
               for name in ("mAP", "mAP_area")] for epochs in ("0", "15")]  # fmt: skip
    assert max(scores[0]) < 2
    assert min(scores[1]) > 30
